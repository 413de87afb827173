//! NumPy arrays: a header that is a Python literal, and the data, which is a pickle for objects.

use crate::source::Part;

/// Where the data begin, and whether they are a pickle; or why the header is broken.
pub(crate) fn header(part: Part<'_>) -> Result<(u64, bool), String> {
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
    if length > 1 << 20 || start + length > part.length() {
        return Err(cut());
    }
    let text = part
        .bytes(start, length as usize)
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&text);
    let descr = text.split_once("descr").ok_or("its header has no descr")?.1;
    let descr = descr
        .split_once("fortran_order")
        .map_or(descr, |(before, _)| before);
    // `|O`, `O8`, or a field of that type: any capital O in a type is an object.
    let is_object = descr.split(['\'', '"']).any(|token| {
        let token = token.trim_start_matches(['|', '<', '>', '=']);
        token == "O"
            || token
                .strip_prefix('O')
                .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
    });
    Ok((start + length, is_object))
}
