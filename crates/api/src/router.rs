//! From a request to its operation, past the check of who asks.

use std::sync::Arc;

use atalaya_control::{AdminIdentity, Control};
use atalaya_store::AdminRole;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};

use crate::call::Call;
use crate::openapi;
use crate::operation::{Operation, Resource, Right};
use crate::problem::Problem;
use crate::reply::Reply;

/// All resources, and who may use them.
pub struct Router {
    control: Arc<Control>,
    resources: Vec<Resource>,
    openapi: Bytes,
}

/// An operation whose path fits, and the parameters of the path.
pub(crate) type Found<'r> = (&'r Operation, Vec<(&'static str, String)>);

impl Router {
    /// Puts resources together; the first whose path fits counts.
    #[must_use]
    pub fn new(control: Arc<Control>, resources: Vec<Resource>) -> Self {
        let openapi = Bytes::from(openapi::document(&resources).to_string());
        let mut resources = resources;
        resources.push(document(openapi.clone()));
        Self {
            control,
            resources,
            openapi,
        }
    }

    /// The OpenAPI document.
    #[must_use]
    pub fn openapi(&self) -> &Bytes {
        &self.openapi
    }

    /// Checks a request before its body is read.
    pub(crate) fn admit(
        &self,
        head: &Parts,
    ) -> Result<(Found<'_>, Option<AdminIdentity>), Problem> {
        let path = head.uri.path();
        let method = if head.method == Method::HEAD {
            &Method::GET
        } else {
            &head.method
        };
        let mut allowed = Vec::new();
        let mut found = None;
        for operation in self
            .resources
            .iter()
            .flat_map(|resource| &resource.operations)
        {
            let Some(parameters) = fit(operation.path, path) else {
                continue;
            };
            if operation.method == *method {
                found = Some((operation, parameters));
                break;
            }
            allowed.push(operation.method.as_str());
        }
        let Some(found) = found else {
            if allowed.is_empty() {
                return Err(Problem::not_found(
                    "there is no such resource; GET /openapi.json lists them all",
                ));
            }
            let detail = format!("this resource knows {}", allowed.join(", "));
            let code = "method_not_allowed";
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, code, detail));
        };
        let identity = self.authorize(head, found.0.right)?;
        Ok((found, identity))
    }

    fn authorize(&self, head: &Parts, right: Right) -> Result<Option<AdminIdentity>, Problem> {
        let bearer = head
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let identity = bearer.and_then(|token| self.control.authenticate_admin(token.trim()));
        if right == Right::Open {
            return Ok(identity);
        }
        let Some(identity) = identity else {
            let detail = "send an admin token: `Authorization: Bearer ata_…` \
                (`atalaya tokens create NAME` makes one)";
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                detail,
            ));
        };
        if right == Right::Write && identity.role < AdminRole::Admin {
            let detail = "this token may look, not change";
            return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
        }
        Ok(Some(identity))
    }

    pub(crate) async fn answer(
        &self,
        (operation, parameters): Found<'_>,
        identity: Option<AdminIdentity>,
        head: Parts,
        body: Bytes,
    ) -> Reply {
        let query = head.uri.query().unwrap_or("");
        let call = Call {
            parameters,
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            body,
            headers: head.headers,
            identity,
        };
        let answered = (operation.handler)(call).await;
        answered.unwrap_or_else(Problem::into_reply)
    }
}

/// The document itself is open: it says nothing that the source does not say.
fn document(openapi: Bytes) -> Resource {
    let path = "/openapi.json";
    let summary = "This description";
    let operation = Operation::new(Method::GET, path, Right::Open, summary, move |_| {
        let reply = Reply::bytes(StatusCode::OK, "application/json", openapi.clone());
        async move { Ok(reply) }
    });
    Resource {
        name: "openapi",
        doc: summary,
        operations: vec![operation],
    }
}

/// The parameters of a path, if it fits the template.
fn fit(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut parameters = Vec::new();
    let mut parts = path.split('/');
    for wanted in template.split('/') {
        let part = parts.next()?;
        match wanted
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(name) if !part.is_empty() => parameters.push((name, decoded(part))),
            Some(_) => return None,
            None if wanted == part => {}
            None => return None,
        }
    }
    parts.next().is_none().then_some(parameters)
}

/// Undoes `%xx`; what is no UTF-8 then is replaced and will not be found.
fn decoded(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = part.get(at + 1..at + 3).filter(|_| *byte == b'%');
        if let Some(value) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(value);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
