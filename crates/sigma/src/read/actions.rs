//! Rule collections: `action: global` is merged into all rules after it, `repeat` is the rule
//! before with changes, `reset` forgets what was global.

use atalaya_yaml::tree::{Node, Value};

use super::{Reader, place};
use crate::code;

/// The rules of a file, one tree each.
pub(super) fn apply(documents: Vec<Node>, reader: &mut Reader<'_, '_>) -> Vec<Node> {
    let mut rules: Vec<Node> = Vec::with_capacity(documents.len());
    let mut global: Option<Node> = None;
    for mut document in documents {
        let Some(action) = document.get("action").and_then(Node::scalar) else {
            if let Some(global) = &global {
                let own = std::mem::replace(&mut document, global.clone());
                merge(&mut document, own);
            }
            rules.push(document);
            continue;
        };
        let at = place(&document, "action");
        remove(&mut document, "action");
        match (action.as_str(), rules.last()) {
            ("global", _) => match &mut global {
                Some(global) => merge(global, document),
                None => global = Some(document),
            },
            ("reset", _) => global = None,
            ("repeat", Some(before)) => {
                let mut next = before.clone();
                merge(&mut next, document);
                rules.push(next);
            }
            ("repeat", None) => {
                let message = "there is no rule before this that could be repeated";
                reader.error(code::ACTION, at, message, "");
            }
            (other, _) => {
                let message = format!("there is no action `{other}`");
                reader.error(code::ACTION, at, message, "global, reset or repeat");
            }
        }
    }
    rules
}

/// Keys of `from` win; maps are merged, everything else is replaced.
fn merge(into: &mut Node, from: Node) {
    match (&mut into.value, from.value) {
        (Value::Map(known), Value::Map(more)) => {
            // The rule's own place, so that remarks point at it.
            into.span = from.span;
            for (key, node) in more {
                match known.iter_mut().find(|(k, _)| k.text == key.text) {
                    Some((k, present)) => {
                        k.span = key.span;
                        merge(present, node);
                    }
                    None => known.push((key, node)),
                }
            }
        }
        (_, value) => {
            *into = Node {
                value,
                span: from.span,
            }
        }
    }
}

fn remove(node: &mut Node, key: &str) {
    if let Value::Map(pairs) = &mut node.value {
        pairs.retain(|(k, _)| k.text != key);
    }
}
