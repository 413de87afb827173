//! Paths into a record: `a.b.0.c`. Keys that hold dots (`gen_ai.request.model`) are found too:
//! at each level the longest key that the path begins with is tried first.

use serde_json::{Map, Value};

/// How deep a path may go.
const DEPTH_MAX: usize = 32;

/// The value at a path; null counts as absent.
pub(crate) fn get<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    find(value, path, DEPTH_MAX).filter(|found| !found.is_null())
}

fn find<'a>(value: &'a Value, path: &str, depth: usize) -> Option<&'a Value> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Object(object) => {
            if let Some(found) = object.get(path) {
                return Some(found);
            }
            heads(path).find_map(|(head, rest)| find(object.get(head)?, rest, depth))
        }
        Value::Array(items) => {
            let (head, rest) = path.split_once('.').unwrap_or((path, ""));
            let item = items.get(head.parse::<usize>().ok()?)?;
            match rest {
                "" => Some(item),
                rest => find(item, rest, depth),
            }
        }
        _ => None,
    }
}

/// Takes the value at a path out of an object; objects that become empty go too.
pub(crate) fn remove(object: &mut Map<String, Value>, path: &str) {
    if object.shift_remove(path).is_some() {
        return;
    }
    let found = heads(path).find(|(head, rest)| {
        object
            .get(*head)
            .is_some_and(|inner| get(inner, rest).is_some())
    });
    let Some((head, rest)) = found else {
        return;
    };
    let Some(Value::Object(inner)) = object.get_mut(head) else {
        return; // An element of a list stays where it is.
    };
    remove(inner, rest);
    if inner.is_empty() {
        object.shift_remove(head);
    }
}

/// Ways to cut a path in two, the longest head first.
fn heads(path: &str) -> impl Iterator<Item = (&str, &str)> {
    path.rmatch_indices('.')
        .filter_map(|(at, _)| Some((path.get(..at)?, path.get(at + 1..)?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn keys_with_dots_lists_and_nested_objects_are_found_and_removed() {
        let mut record =
            json!({"a": {"b.c": {"d": 1}}, "gen_ai.model": "m", "l": [{"x": 2}], "n": null});
        assert_eq!(super::get(&record, "a.b.c.d"), Some(&json!(1)));
        assert_eq!(super::get(&record, "gen_ai.model"), Some(&json!("m")));
        assert_eq!(super::get(&record, "l.0.x"), Some(&json!(2)));
        assert_eq!(super::get(&record, "n"), None);
        let object = record.as_object_mut().unwrap();
        super::remove(object, "a.b.c.d");
        super::remove(object, "gen_ai.model");
        assert_eq!(record, json!({"l": [{"x": 2}], "n": null}));
    }
}
