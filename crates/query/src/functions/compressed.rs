//! Text behind gzip (RFC 1952), zlib (RFC 1950) and Punycode (RFC 3492).

use std::io::Read;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Function, string, text};
use crate::value::Value;

/// Most bytes that a compressed text may grow to.
const TEXT_BYTES_MAX: u64 = 1 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("gzip_decompress_from_base64_string", |a| {
        let packed = BASE64_STANDARD.decode(text(a, 0)?.as_bytes()).ok()?;
        unpacked(flate2::read::GzDecoder::new(packed.as_slice()))
    }),
    Function::rows("zlib_decompress_from_base64_string", |a| {
        let packed = BASE64_STANDARD.decode(text(a, 0)?.as_bytes()).ok()?;
        unpacked(flate2::read::ZlibDecoder::new(packed.as_slice()))
    }),
    Function::rows("punycode_from_string", |a| {
        string(idna::punycode::encode_str(&text(a, 0)?)?)
    }),
    Function::rows("punycode_to_string", |a| {
        string(idna::punycode::decode_to_string(&text(a, 0)?)?)
    }),
];

fn unpacked(reader: impl Read) -> Option<Value> {
    let mut out = Vec::new();
    let read = reader.take(TEXT_BYTES_MAX + 1).read_to_end(&mut out).ok()?;
    let fits = u64::try_from(read).is_ok_and(|read| read <= TEXT_BYTES_MAX);
    string(String::from_utf8(out).ok().filter(|_| fits)?)
}
