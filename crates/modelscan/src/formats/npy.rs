//! NumPy arrays: a header that is a Python literal, and the data, which is a pickle for objects.
//!
//! The type is a text that NumPy reads in many spellings, with keys in any order and also twice, and
//! a literal may escape any letter. So every text in the header is looked at, and one that is
//! neither a key nor the plain spelling of numbers makes the header unclear.

use crate::source::Part;

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    Numbers,
    /// A pickle.
    Objects,
    /// The header may mean either.
    Unclear,
}

/// Longest header.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// Where the data begin, and what they are; or why the header is broken.
pub(crate) fn header(part: Part<'_>) -> Result<(u64, Items), String> {
    let head = part.bytes(0, 12).map_err(|error| error.to_string())?;
    let cut = || "its header is cut off".to_owned();
    let major = *head.get(6).ok_or_else(cut)?;
    let (length, start) = match major {
        1 => (
            u64::from(*head.get(8).ok_or_else(cut)?)
                | u64::from(*head.get(9).ok_or_else(cut)?) << 8,
            10,
        ),
        2 | 3 => {
            let bytes = head.get(8..12).ok_or_else(cut)?;
            let length = bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            (length, 12)
        }
        _ => return Err(format!("version {major} is not known")),
    };
    if length > HEADER_BYTES_MAX || start + length > part.length() {
        return Err(cut());
    }
    let text = part
        .bytes(start, length as usize)
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&text);
    if !text.contains("descr") && !text.contains('\\') {
        return Err("its header has no descr".to_owned());
    }
    Ok((start + length, items(&text)))
}

fn items(header: &str) -> Items {
    if header.contains('\\') {
        return Items::Unclear;
    }
    // Texts in quotes: every second piece, whichever quotes they are.
    let texts = header.split(['\'', '"']).skip(1).step_by(2);
    let mut items = Items::Numbers;
    for text in texts {
        if is_object(text) {
            return Items::Objects;
        }
        if may_be_object(text) {
            items = Items::Unclear;
        }
    }
    items
}

/// `O`, `|O`, `O8`, `object`.
fn is_object(text: &str) -> bool {
    let plain = text.trim().trim_start_matches(['|', '<', '>', '=']);
    let rest = plain.strip_prefix('O').unwrap_or("-");
    rest.bytes().all(|byte| byte.is_ascii_digit())
        || matches!(plain, "object" | "object_" | "object0")
}

/// Several types in one text (`f4,O`), or one with a shape (`3O`, `(2,)O`).
fn may_be_object(text: &str) -> bool {
    let mut parts = text.split([',', ' ', '(', ')']);
    parts.any(|part| is_object(part.trim_start_matches(|c: char| c.is_ascii_digit())))
}
