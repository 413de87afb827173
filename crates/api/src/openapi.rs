//! The OpenAPI 3.1 document, made from the list of resources.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::operation::{Operation, Resource, Right};

/// Writes the document.
pub(crate) fn document(resources: &[Resource]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for resource in resources {
        for operation in &resource.operations {
            let described = describe(resource, operation, &mut generator);
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method.as_str().to_lowercase()] = described;
        }
    }
    let tags: Vec<Value> = resources
        .iter()
        .map(|resource| json!({"name": resource.name, "description": resource.doc}))
        .collect();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Atalaya admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"admin_token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn describe(
    resource: &Resource,
    operation: &Operation,
    generator: &mut schemars::SchemaGenerator,
) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
    });
    let in_query = operation.query.iter().map(|(name, doc)| {
        json!({"name": name, "in": "query", "description": doc, "schema": {"type": "string"}})
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let content = |schema: Value| json!({"application/json": {"schema": schema}});
    let mut answer = json!({"description": "Done."});
    if let Some(gives) = operation.gives {
        answer["content"] = content(gives(generator).to_value());
    }
    let mut out = json!({
        "tags": [resource.name],
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "responses": {
            "2XX": answer,
            "default": {
                "description": "A problem (RFC 9457).",
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    });
    if !parameters.is_empty() {
        out["parameters"] = Value::Array(parameters);
    }
    if let Some(takes) = operation.takes {
        out["requestBody"] =
            json!({"required": true, "content": content(takes(generator).to_value())});
    }
    if operation.right != Right::Open {
        out["security"] = json!([{"admin_token": []}]);
    }
    out
}

/// `POST /v1/keys/{id}/rotate` → `post_keys_id_rotate`.
fn operation_id(operation: &Operation) -> String {
    let parts = operation
        .path
        .split('/')
        .filter(|part| !part.is_empty() && *part != "v1");
    let mut id = operation.method.as_str().to_lowercase();
    for part in parts {
        id.push('_');
        id.push_str(part.trim_matches(['{', '}']));
    }
    id.replace(['.', '-'], "_")
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "Stable name of the kind of problem."},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    })
}
