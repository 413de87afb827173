//! `buildschema`: the narrowest schema that admits all values.
//!
//! A scalar is the name of its type; a bag is a bag of schemas; an array is a bag whose only
//! property, [`INDEXER`], is the schema of its items; what is of several kinds is an array of
//! schemas.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Aggregate, State};
use crate::value::Value;

/// Stands for any index of an array.
const INDEXER: &str = "`indexer`";
/// Most properties of one schema, at all depths together.
const PROPERTIES_MAX: usize = 100_000;

pub(super) const AGGREGATES: &[Aggregate] =
    &[Aggregate::new(
        "buildschema",
        |_| Box::new(Whole::default()),
    )];

/// The schema of all values of a group.
#[derive(Default)]
struct Whole {
    schema: Schema,
    properties: usize,
}

/// What is known of one place.
#[derive(Default)]
struct Schema {
    scalars: BTreeSet<Arc<str>>,
    /// Properties of bags, in order of appearance; items of arrays under [`INDEXER`].
    properties: Vec<(Arc<str>, Schema)>,
    has_bag: bool,
}

impl Schema {
    fn take(&mut self, value: &Value, left: &mut usize) {
        match value {
            Value::Null => {}
            Value::Bag(pairs) => {
                self.has_bag = true;
                for (key, item) in pairs.iter() {
                    if let Some(place) = self.at(key, left) {
                        place.take(item, left);
                    }
                }
            }
            Value::Array(items) => {
                self.has_bag = true;
                if let Some(place) = self.at(&Arc::from(INDEXER), left) {
                    items.iter().for_each(|item| place.take(item, left));
                }
            }
            scalar => {
                self.scalars.insert(Arc::from(name_of(scalar)));
            }
        }
    }

    /// The place of a property, made if there is none.
    fn at(&mut self, key: &Arc<str>, left: &mut usize) -> Option<&mut Self> {
        let known = self.properties.iter().position(|(known, _)| known == key);
        let at = match known {
            Some(at) => at,
            None => {
                *left = left.checked_sub(1)?;
                self.properties.push((key.clone(), Self::default()));
                self.properties.len() - 1
            }
        };
        self.properties.get_mut(at).map(|(_, schema)| schema)
    }

    /// Takes over a schema that was written.
    fn merge(&mut self, saved: &Value, left: &mut usize) {
        match saved {
            Value::Array(kinds) => kinds.iter().for_each(|kind| self.merge(kind, left)),
            Value::String(scalar) => {
                self.scalars.insert(scalar.clone());
            }
            Value::Bag(pairs) => {
                self.has_bag = true;
                for (key, schema) in pairs.iter() {
                    if let Some(place) = self.at(key, left) {
                        place.merge(schema, left);
                    }
                }
            }
            _ => {}
        }
    }

    fn write(&self) -> Value {
        let mut kinds = Vec::new();
        if self.has_bag {
            let pairs = self.properties.iter();
            kinds.push(Value::bag(
                pairs
                    .map(|(key, schema)| (key.clone(), schema.write()))
                    .collect(),
            ));
        }
        kinds.extend(self.scalars.iter().map(|name| Value::String(name.clone())));
        match kinds.len() {
            1 => kinds.remove(0),
            _ => Value::array(kinds),
        }
    }
}

/// The type's name as `buildschema` says it.
fn name_of(scalar: &Value) -> &'static str {
    match scalar {
        Value::Real(_) => "double",
        Value::Int(_) => "long",
        other => other.type_name(),
    }
}

impl State for Whole {
    fn update(&mut self, args: &[Value]) {
        let mut left = PROPERTIES_MAX.saturating_sub(self.properties);
        self.schema.take(&args[0], &mut left);
        self.properties = PROPERTIES_MAX - left;
    }

    fn save(&self) -> Value {
        self.schema.write()
    }

    fn merge(&mut self, saved: &Value) {
        let mut left = PROPERTIES_MAX.saturating_sub(self.properties);
        self.schema.merge(saved, &mut left);
        self.properties = PROPERTIES_MAX - left;
    }

    fn finish(&mut self) -> Value {
        self.schema.write()
    }

    fn size(&self) -> usize {
        256 + self.properties * 128
    }
}
