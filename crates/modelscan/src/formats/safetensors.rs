//! Safetensors: a length, a JSON header, tensors without gaps.
//!
//! The format is safe by its rules, so every broken rule is told: a header that is too long or no
//! JSON, keys that stand twice (loaders differ in which one they take), tensors that overlap, leave
//! gaps, reach past the end, or do not have the size that shape and type say.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Seen;
use crate::source::Part;

/// As in the reference implementation.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// Members of an object in order, also those that stand twice.
struct Members(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// Checks a file; also gives its metadata.
pub(crate) fn check(part: Part<'_>) -> (Vec<Seen>, Option<Value>) {
    let head = part.bytes(0, 8).unwrap_or_default();
    let Some(length) = head
        .first_chunk::<8>()
        .map(|bytes| u64::from_le_bytes(*bytes))
    else {
        return (
            vec![Seen::malformed(0, "it is shorter than its header's length")],
            None,
        );
    };
    if length > HEADER_BYTES_MAX || length > part.length().saturating_sub(8) {
        let message = format!("its header has {length} bytes, the file {}", part.length());
        return (vec![Seen::malformed(0, message)], None);
    }
    let header = part.bytes(8, length as usize).unwrap_or_default();
    let members = match serde_json::from_slice::<Members>(&header) {
        Ok(Members(members)) => members,
        Err(error) => {
            let message = format!("its header is no JSON object: column {}", error.column());
            return (vec![Seen::malformed(8, message)], None);
        }
    };
    let mut seen = Vec::new();
    let mut names = HashSet::new();
    let mut spans = Vec::new();
    let mut metadata = None;
    for (name, value) in members {
        if !names.insert(name.clone()) {
            seen.push(Seen::malformed(
                8,
                format!("the key {} stands twice", short(&name)),
            ));
        }
        if name == "__metadata__" {
            let is_text = value
                .as_object()
                .is_some_and(|map| map.values().all(Value::is_string));
            if !is_text {
                seen.push(Seen::malformed(8, "its metadata are not all texts"));
            }
            metadata = Some(value);
        } else {
            match tensor(&value) {
                Ok(span) => spans.push((span, name)),
                Err(reason) => seen.push(Seen::malformed(8, format!("{}: {reason}", short(&name)))),
            }
        }
    }
    layout(&mut seen, spans, part.length() - 8 - length);
    (seen, metadata)
}

fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn tensor(value: &Value) -> Result<(u64, u64), &'static str> {
    let offsets = value.get("data_offsets").and_then(Value::as_array);
    let offsets: Option<Vec<u64>> =
        offsets.and_then(|list| list.iter().map(Value::as_u64).collect());
    let Some([start, end]) = offsets.as_deref() else {
        return Err("its offsets are not two numbers");
    };
    let shape = value
        .get("shape")
        .and_then(Value::as_array)
        .ok_or("it has no shape")?;
    let dtype = value
        .get("dtype")
        .and_then(Value::as_str)
        .ok_or("it has no type")?;
    let bits = match dtype {
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => 8_u64,
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return Err("its type is not known"),
    };
    let mut size = Some(bits);
    for length in shape {
        let length = length.as_u64().ok_or("its shape is not all numbers")?;
        size = size.and_then(|size| size.checked_mul(length));
    }
    let size = size.ok_or("its shape overflows")?.div_ceil(8);
    match end.checked_sub(*start) {
        None => Err("it ends before it begins"),
        Some(length) if length != size => Err("its size is not that of its shape and type"),
        Some(_) => Ok((*start, *end)),
    }
}

fn layout(seen: &mut Vec<Seen>, mut spans: Vec<((u64, u64), String)>, data: u64) {
    spans.sort();
    let mut at = 0;
    for ((start, end), name) in &spans {
        if *end > data {
            seen.push(Seen::malformed(
                *start,
                format!("{} reaches past the end", short(name)),
            ));
        } else if *start < at {
            seen.push(Seen::malformed(
                *start,
                format!("{} overlaps with another", short(name)),
            ));
        } else if *start > at {
            seen.push(Seen::malformed(
                *start,
                format!("there is a gap before {}", short(name)),
            ));
        }
        at = at.max(*end);
    }
    if at < data {
        let message = format!("{} bytes behind the last tensor belong to none", data - at);
        seen.push(Seen::malformed(at, message));
    }
}
