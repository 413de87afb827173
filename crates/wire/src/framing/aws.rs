//! Amazon's event stream: length, header length and checksum, headers, payload, checksum, all
//! big-endian (AWS SDK documentation, "event stream encoding"). Checksums are CRC-32 (IEEE).

use base64::Engine as _;

use super::FrameError;
use crate::json::{self, JsonLimits};

const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// Header value type: string.
const TYPE_STRING: u8 = 7;

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_be_bytes(four))
}

/// Length of the message at the beginning of the bytes, once all of it is there.
pub(super) fn end(bytes: &[u8], frame_bytes_max: usize) -> Result<Option<usize>, FrameError> {
    let Some(total) = number(bytes, 0) else {
        return Ok(None);
    };
    let total = usize::try_from(total).map_err(|_| FrameError::Broken)?;
    if total > frame_bytes_max {
        return Err(FrameError::TooLong(frame_bytes_max));
    }
    if total < PRELUDE_BYTES + CHECKSUM_BYTES {
        return Err(FrameError::Broken);
    }
    if bytes.len() < total {
        return Ok(None);
    }
    Ok(Some(total))
}

struct Message<'m> {
    headers: &'m [u8],
    payload: &'m [u8],
}

fn read(raw: &[u8]) -> Option<Message<'_>> {
    let total = usize::try_from(number(raw, 0)?).ok()?;
    let headers = usize::try_from(number(raw, 4)?).ok()?;
    let is_sound = total == raw.len()
        && number(raw, 8)? == crc32(&raw[..8])
        && number(raw, total - CHECKSUM_BYTES)? == crc32(&raw[..total - CHECKSUM_BYTES]);
    let headers_end = PRELUDE_BYTES.checked_add(headers)?;
    if !is_sound || headers_end > total - CHECKSUM_BYTES {
        return None;
    }
    Some(Message {
        headers: &raw[PRELUDE_BYTES..headers_end],
        payload: &raw[headers_end..total - CHECKSUM_BYTES],
    })
}

/// Payload and `:event-type` (or `:exception-type`) of a message.
pub(super) fn data(raw: &[u8]) -> Result<(Vec<u8>, String), FrameError> {
    let message = read(raw).ok_or(FrameError::Broken)?;
    let event = event_type(message.headers).ok_or(FrameError::Broken)?;
    let payload = wrapped(message.payload).unwrap_or_else(|| message.payload.to_vec());
    Ok((payload, event))
}

/// The document in a payload `{"bytes":"<base64>", …}`, as InvokeModel has it.
fn wrapped(payload: &[u8]) -> Option<Vec<u8>> {
    let document = json::parse(payload, JsonLimits::default()).ok()?;
    let bytes = document.root().get_str("bytes")?;
    base64::engine::general_purpose::STANDARD
        .decode(bytes.as_bytes())
        .ok()
}

fn event_type(mut headers: &[u8]) -> Option<String> {
    let mut found = String::new();
    while let Some((length, rest)) = headers.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        let (value, rest) = value(*kind, rest)?;
        if matches!(name, b":event-type" | b":exception-type") {
            found = String::from_utf8(value.to_vec()).ok()?;
        }
        headers = rest;
    }
    Some(found)
}

fn value(kind: u8, rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let fixed = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | TYPE_STRING => {
            let (length, rest) = rest.split_at_checked(2)?;
            let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
            return rest.split_at_checked(length);
        }
        _ => return None,
    };
    rest.split_at_checked(fixed)
}

/// The message with another payload.
pub(super) fn rewrite(raw: &[u8], payload: &[u8]) -> Vec<u8> {
    let Some(message) = read(raw) else {
        return Vec::new();
    };
    if wrapped(message.payload).is_none() {
        return encode(message.headers, payload);
    }
    encode(message.headers, &wrap(payload))
}

/// A document as InvokeModel's stream carries it.
pub(crate) fn wrap(document: &[u8]) -> Vec<u8> {
    let bytes = base64::engine::general_purpose::STANDARD.encode(document);
    format!("{{\"bytes\":\"{bytes}\"}}").into_bytes()
}

/// A message of an event type, or of an exception type.
pub(crate) fn message(kind: (&str, &str), payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    let (message_type, event) = kind;
    let name = if message_type == "exception" {
        ":exception-type"
    } else {
        ":event-type"
    };
    for (name, value) in [
        (name, event),
        (":content-type", "application/json"),
        (":message-type", message_type),
    ] {
        headers.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        headers.extend_from_slice(name.as_bytes());
        headers.push(TYPE_STRING);
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        headers.extend_from_slice(&length.to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    encode(&headers, payload)
}

fn encode(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES;
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&u32::try_from(total).unwrap_or(u32::MAX).to_be_bytes());
    let length = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                (value >> 1) ^ POLYNOMIAL
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8)
    })
}

#[cfg(test)]
mod tests {
    use super::{crc32, data, end, message, rewrite};

    #[test]
    fn a_message_is_read_as_it_was_written_and_a_broken_one_is_refused() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let raw = message(("event", "chunk"), b"{\"a\":1}");
        assert_eq!(end(&raw, 1_000), Ok(Some(raw.len())));
        assert_eq!(end(&raw[..raw.len() - 1], 1_000), Ok(None));
        assert_eq!(data(&raw), Ok((b"{\"a\":1}".to_vec(), "chunk".to_owned())));
        let other = rewrite(&raw, b"{}");
        assert_eq!(data(&other), Ok((b"{}".to_vec(), "chunk".to_owned())));
        let mut broken = raw;
        broken[20] ^= 1;
        assert!(data(&broken).is_err());
    }
}
