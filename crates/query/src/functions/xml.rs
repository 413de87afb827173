//! XML as property bags: attributes are `@name`, text beside other things is `#text`, repeated
//! elements are an array.

use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::{Function, text};
use crate::value::Value;

/// Deepest nesting.
const DEPTH_MAX: usize = 128;

pub(super) const FUNCTIONS: &[Function] = &[Function::rows("parse_xml", |a| parse(&text(a, 0)?))];

#[derive(Default)]
struct Element {
    name: String,
    pairs: Vec<(Arc<str>, Value)>,
    text: String,
}

fn parse(source: &str) -> Option<Value> {
    let mut reader = Reader::from_str(source);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        match reader.read_event().ok()? {
            Event::Eof => break,
            Event::Start(start) => {
                if open.len() > DEPTH_MAX {
                    return None;
                }
                open.push(Element::of(&start)?);
            }
            Event::Empty(start) => {
                let element = Element::of(&start)?;
                open.last_mut()?.take(element);
            }
            Event::End(_) => {
                let element = open.pop()?;
                open.last_mut()?.take(element);
            }
            Event::Text(part) => open.last_mut()?.text.push_str(&decoded(&part)?),
            Event::GeneralRef(name) => {
                let entity = format!("&{};", std::str::from_utf8(&name).ok()?);
                open.last_mut()?.text.push_str(&unescape(&entity).ok()?);
            }
            Event::CData(part) => {
                let part = std::str::from_utf8(&part).ok()?;
                open.last_mut()?.text.push_str(part);
            }
            _ => {}
        }
    }
    let root = open.pop().filter(|_| open.is_empty())?;
    (!root.pairs.is_empty()).then(|| Value::bag(root.pairs))
}

fn decoded(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    unescape(text).ok().map(std::borrow::Cow::into_owned)
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Option<Self> {
        let mut pairs = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let name = format!("@{}", std::str::from_utf8(attribute.key.as_ref()).ok()?);
            pairs.push((Arc::from(name), Value::string(decoded(&attribute.value)?)));
        }
        Some(Self {
            name: std::str::from_utf8(start.name().as_ref()).ok()?.to_owned(),
            pairs,
            text: String::new(),
        })
    }

    fn value(mut self) -> Value {
        let text = self.text.trim();
        if self.pairs.is_empty() {
            return Value::string(text);
        }
        if !text.is_empty() {
            self.pairs.push((Arc::from("#text"), Value::string(text)));
        }
        Value::bag(self.pairs)
    }

    /// Adds a child.
    fn take(&mut self, child: Self) {
        let name: Arc<str> = Arc::from(child.name.as_str());
        let value = child.value();
        let known = self.pairs.iter_mut().find(|(key, _)| *key == name);
        match known {
            None => self.pairs.push((name, value)),
            Some((_, all)) => {
                let mut items = match all.as_array() {
                    Some(items) => items.to_vec(),
                    None => vec![all.clone()],
                };
                items.push(value);
                *all = Value::array(items);
            }
        }
    }
}
