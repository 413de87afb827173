//! `dynamic` in a column: a tagged binary form with offset tables.
//!
//! One byte of tag, then the payload. Arrays and bags carry a table of end offsets, so that an
//! item is reached without decoding its neighbours: `mv-expand` over a long array and `d.a.b`
//! over a wide bag read what they need and no more.
//!
//! ```text
//! array  := 7 count:u32 end:u32{count} item{count}
//! bag    := 8 count:u32 (key_end:u32 value_end:u32){count} (key value){count}
//! ```

use std::sync::Arc;

use super::Value;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const LONG: u8 = 3;
const REAL: u8 = 4;
const DATETIME: u8 = 5;
const TIMESPAN: u8 = 6;
const ARRAY: u8 = 7;
const BAG: u8 = 8;
const STRING: u8 = 9;
const GUID: u8 = 10;
const INT: u8 = 11;

/// Encodes a value.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Int(v) => number(INT, &i64::from(*v).to_le_bytes(), out),
        Value::Long(v) => number(LONG, &v.to_le_bytes(), out),
        Value::Real(v) => number(REAL, &v.to_le_bytes(), out),
        Value::DateTime(v) => number(DATETIME, &v.to_le_bytes(), out),
        Value::Timespan(v) => number(TIMESPAN, &v.to_le_bytes(), out),
        Value::String(v) => number(STRING, v.as_bytes(), out),
        Value::Guid(v) => number(GUID, v.as_bytes(), out),
        Value::Array(items) => {
            let table = open(ARRAY, items.len(), 1, out);
            for (i, item) in items.iter().enumerate() {
                write(item, out);
                set_end(table, i, out);
            }
        }
        Value::Bag(pairs) => {
            let table = open(BAG, pairs.len(), 2, out);
            for (i, (key, value)) in pairs.iter().enumerate() {
                out.extend_from_slice(key.as_bytes());
                set_end(table, i * 2, out);
                write(value, out);
                set_end(table, i * 2 + 1, out);
            }
        }
    }
}

fn number(tag: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(payload);
}

/// Writes tag, count and an empty offset table; returns where the table starts.
fn open(tag: u8, count: usize, slots: usize, out: &mut Vec<u8>) -> usize {
    out.push(tag);
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    let table = out.len();
    out.resize(table + count * slots * 4, 0);
    table
}

fn set_end(table: usize, slot: usize, out: &mut [u8]) {
    let at = table + slot * 4;
    let end = u32::try_from(out.len() - table).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&end.to_le_bytes());
    }
}

/// Decodes a whole value; bytes that are not ours decode to null.
#[must_use]
pub fn decode(bytes: &[u8]) -> Value {
    let Some((tag, rest)) = bytes.split_first() else {
        return Value::Null;
    };
    match *tag {
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        INT => Value::Int(i32::try_from(long(rest)).unwrap_or_default()),
        LONG => Value::Long(long(rest)),
        REAL => Value::Real(f64::from_bits(long(rest).cast_unsigned())),
        DATETIME => Value::DateTime(long(rest)),
        TIMESPAN => Value::Timespan(long(rest)),
        STRING => Value::String(text(rest)),
        GUID => Value::Guid(text(rest)),
        ARRAY => {
            let items = (0..count(rest)).map(|i| decode(slot(rest, i, 1)));
            Value::array(items.collect())
        }
        BAG => {
            let pairs = (0..count(rest))
                .map(|i| (text(slot(rest, i * 2, 2)), decode(slot(rest, i * 2 + 1, 2))));
            Value::Bag(Arc::new(pairs.collect()))
        }
        _ => Value::Null,
    }
}

/// Number of items of an array or properties of a bag; `None` for anything else.
#[must_use]
pub fn length(bytes: &[u8]) -> Option<usize> {
    match bytes.split_first() {
        Some((&(ARRAY | BAG), rest)) => Some(count(rest)),
        _ => None,
    }
}

/// Bytes of an item of an array; negative indexes count from the end.
#[must_use]
pub fn item(bytes: &[u8], index: i64) -> Option<&[u8]> {
    let (&ARRAY, rest) = bytes.split_first()? else {
        return None;
    };
    let count = i64::try_from(count(rest)).ok()?;
    let index = if index < 0 { index + count } else { index };
    (0..count)
        .contains(&index)
        .then(|| slot(rest, usize::try_from(index).unwrap_or(0), 1))
}

/// Bytes of a property of a bag.
#[must_use]
pub fn property<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (&BAG, rest) = bytes.split_first()? else {
        return None;
    };
    (0..count(rest))
        .find(|i| slot(rest, i * 2, 2) == name.as_bytes())
        .map(|i| slot(rest, i * 2 + 1, 2))
}

/// Name and value bytes of the n-th property of a bag.
#[must_use]
pub fn pair(bytes: &[u8], index: usize) -> Option<(&str, &[u8])> {
    let (&BAG, rest) = bytes.split_first()? else {
        return None;
    };
    if index >= count(rest) {
        return None;
    }
    let name = std::str::from_utf8(slot(rest, index * 2, 2)).ok()?;
    Some((name, slot(rest, index * 2 + 1, 2)))
}

fn count(rest: &[u8]) -> usize {
    let declared = read_u32(rest, 0);
    // A table that is longer than the bytes is not ours.
    declared.min(rest.len() / 4)
}

fn slot(rest: &[u8], index: usize, slots: usize) -> &[u8] {
    let table = rest.get(4..).unwrap_or_default();
    let end = read_u32(table, index * 4);
    let start = if index == 0 {
        count(rest) * slots * 4
    } else {
        read_u32(table, (index - 1) * 4)
    };
    table.get(start..end).unwrap_or_default()
}

fn read_u32(bytes: &[u8], at: usize) -> usize {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, |b| u32::from_le_bytes(b) as usize)
}

fn long(rest: &[u8]) -> i64 {
    rest.get(..8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, i64::from_le_bytes)
}

fn text(bytes: &[u8]) -> Arc<str> {
    Arc::from(String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::{Value, json};
    use super::{decode, encode, item, length, property};

    #[test]
    fn values_survive_the_trip() {
        let text = r#"{"a":[1,2.5,"x",null,true,{}],"b":{"c":{"d":[[]]}},"":-1}"#;
        let value = json::parse(text).unwrap();
        assert_eq!(decode(&encode(&value)), value);
        assert_eq!(json::to_json(&decode(&encode(&value))), text);
    }

    #[test]
    fn paths_are_read_in_place() {
        let bytes = encode(&json::parse(r#"{"a":[10,20,30],"b":{"c":7}}"#).unwrap());
        let array = property(&bytes, "a").unwrap();
        assert_eq!(length(array), Some(3));
        assert_eq!(item(array, -1).map(decode), Some(Value::Long(30)));
        assert_eq!(item(array, 3), None);
        let nested = property(&bytes, "b").and_then(|b| property(b, "c"));
        assert_eq!(nested.map(decode), Some(Value::Long(7)));
    }

    #[test]
    fn foreign_bytes_do_not_panic() {
        for bytes in [&[][..], &[7], &[8, 255, 255, 255, 255], &[3, 1], &[200; 40]] {
            let _ = decode(bytes);
        }
    }
}
