//! Text behind gzip (RFC 1952), zlib (RFC 1950) and Punycode (RFC 3492).

use std::io::{Read, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{Function, string, text};
use crate::value::Value;

/// Most bytes that a compressed text may grow to.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Header of a stored block: less is not gained.
const FRAME_BYTES: usize = 5;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("gzip_decompress_from_base64_string", |a| {
        let packed = BASE64_STANDARD.decode(text(a, 0)?.as_bytes()).ok()?;
        unpacked(flate2::read::GzDecoder::new(packed.as_slice()))
    }),
    Function::rows("zlib_decompress_from_base64_string", |a| {
        let packed = BASE64_STANDARD.decode(text(a, 0)?.as_bytes()).ok()?;
        unpacked(flate2::read::ZlibDecoder::new(packed.as_slice()))
    }),
    Function::rows("gzip_compress_to_base64_string", |a| {
        let pack = |level| GzEncoder::new(Vec::new(), level);
        packed_text(text(a, 0)?.as_bytes(), pack, |packer| {
            let mut bytes = packer.finish()?;
            // The byte that hints at the level is always 0 in Kusto's.
            if let Some(hint) = bytes.get_mut(8) {
                *hint = 0;
            }
            Ok(bytes)
        })
    }),
    Function::rows("zlib_compress_to_base64_string", |a| {
        let pack = |level| ZlibEncoder::new(Vec::new(), level);
        packed_text(text(a, 0)?.as_bytes(), pack, ZlibEncoder::finish)
    }),
    Function::rows("punycode_domain_from_string", |a| {
        string(idna::domain_to_ascii(&text(a, 0)?).ok()?)
    }),
    Function::rows("punycode_domain_to_string", |a| {
        let (domain, is_right) = idna::domain_to_unicode(&text(a, 0)?);
        string(is_right.is_ok().then_some(domain)?)
    }),
    Function::rows("punycode_from_string", |a| {
        string(idna::punycode::encode_str(&text(a, 0)?)?)
    }),
    Function::rows("punycode_to_string", |a| {
        string(idna::punycode::decode_to_string(&text(a, 0)?)?)
    }),
];

/// What does not become shorter is stored as it is.
fn packed_text<W: Write>(
    text: &[u8],
    pack: impl Fn(Compression) -> W,
    finish: fn(W) -> std::io::Result<Vec<u8>>,
) -> Option<Value> {
    let packed = |level| {
        let mut packer = pack(level);
        packer.write_all(text).ok()?;
        finish(packer).ok()
    };
    let (short, stored) = (
        packed(Compression::default())?,
        packed(Compression::none())?,
    );
    let is_shorter = short.len() + FRAME_BYTES < stored.len();
    string(BASE64_STANDARD.encode(if is_shorter { short } else { stored }))
}

fn unpacked(reader: impl Read) -> Option<Value> {
    let mut out = Vec::new();
    let read = reader.take(TEXT_BYTES_MAX + 1).read_to_end(&mut out).ok()?;
    let fits = u64::try_from(read).is_ok_and(|read| read <= TEXT_BYTES_MAX);
    string(String::from_utf8(out).ok().filter(|_| fits)?)
}
