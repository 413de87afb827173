//! Checksums. `hash` is XXH64 with seed 0 over the UTF-8 text or the eight bytes of a number; the
//! others digest the text.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use twox_hash::XxHash64;

use super::{Function, string};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::rows("hash", xxhash64),
    Function::rows("hash_xxhash64", xxhash64),
    Function::rows("hash_sha256", |a| digest::<Sha256>(&a[0])),
    Function::rows("hash_sha1", |a| digest::<Sha1>(&a[0])),
    Function::rows("hash_md5", |a| digest::<Md5>(&a[0])),
];

fn xxhash64(args: &[Value]) -> Option<Value> {
    let hash = XxHash64::oneshot(0, &bytes(&args[0])).cast_signed();
    match args.get(1) {
        None => Some(Value::Long(hash)),
        Some(modulus) => {
            let modulus = modulus.as_i64().filter(|m| *m > 0)?;
            Some(Value::Long(hash.rem_euclid(modulus)))
        }
    }
}

fn digest<D: Digest>(value: &Value) -> Option<Value> {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in D::digest(value.to_text().as_bytes()) {
        let _ = write!(out, "{byte:02x}");
    }
    string(out)
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Real(v) => v.to_le_bytes().to_vec(),
        Value::Bool(v) => vec![u8::from(*v)],
        Value::Int(v) => v.to_le_bytes().to_vec(),
        Value::Long(v) | Value::DateTime(v) | Value::Timespan(v) => v.to_le_bytes().to_vec(),
        other => other.to_text().as_bytes().to_vec(),
    }
}
