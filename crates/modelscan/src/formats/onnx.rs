//! ONNX: a protobuf, in which tensors may lie in other files. A path that leaves the model's folder
//! reads what it should not. Operators of a domain that neither the standard nor the model itself
//! defines need a library that is loaded with the model.

use std::collections::BTreeSet;

use atalaya_model::Severity;

use super::Seen;
use crate::report::code;

const DEPTH_MAX: u8 = 16;
const FIELDS_MAX: u32 = 4_000_000;

/// What is odd about a model.
pub(crate) fn check(bytes: &[u8]) -> Vec<Seen> {
    let mut reader = Reader {
        seen: Vec::new(),
        fields: 0,
        foreign: BTreeSet::new(),
        defined: BTreeSet::new(),
    };
    if reader.message(bytes, Kind::Model, 0).is_none() {
        reader
            .seen
            .push(Seen::malformed(0, "it is no well-formed protobuf"));
    }
    for domain in reader.foreign.difference(&reader.defined) {
        let shown: String = domain
            .chars()
            .filter(|c| !c.is_control())
            .take(80)
            .collect();
        let message = format!("operators of {shown} need a library of their own");
        let seen = Seen::new(0, code::DANGEROUS_OPERATOR, Severity::Medium, message);
        reader.seen.push(seen);
    }
    reader.seen
}

/// Domains whose operators the usual runtimes bring along.
const DOMAINS: &[&str] = &[
    "",
    "ai.onnx",
    "ai.onnx.ml",
    "ai.onnx.training",
    "ai.onnx.preview.training",
    "ai.onnx.preview",
    "com.microsoft",
    "com.microsoft.nchwc",
    "com.microsoft.dml",
    "com.microsoft.experimental",
    "com.ms.internal.nhwc",
    "org.pytorch.aten",
];
/// Domains that are remembered.
const DOMAINS_MAX: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Training,
    Entry,
    Function,
    Other,
}

/// What a field of a message is.
const fn child(kind: Kind, field: u64) -> Kind {
    match (kind, field) {
        (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => Kind::Graph,
        (Kind::Model, 20) => Kind::Training,
        (Kind::Training, 1 | 2) => Kind::Graph,
        (Kind::Model, 25) => Kind::Function,
        (Kind::Function, 11) => Kind::Attribute,
        (Kind::Graph, 15) | (Kind::Attribute, 22 | 23) => Kind::Sparse,
        (Kind::Sparse, 1 | 2) => Kind::Tensor,
        (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
        (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) => Kind::Tensor,
        (Kind::Node, 5) => Kind::Attribute,
        (Kind::Tensor, 13) => Kind::Entry,
        _ => Kind::Other,
    }
}

struct Reader {
    seen: Vec<Seen>,
    fields: u32,
    foreign: BTreeSet<String>,
    defined: BTreeSet<String>,
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in 0..10 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift * 7)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl Reader {
    fn message(&mut self, bytes: &[u8], kind: Kind, depth: u8) -> Option<()> {
        if depth > DEPTH_MAX {
            self.seen.push(Seen::new(
                0,
                code::LIMIT,
                Severity::High,
                "graphs are nested too deeply",
            ));
            return Some(());
        }
        let (mut at, mut key, mut value) = (0, "", "");
        while at < bytes.len() {
            self.fields += 1;
            if self.fields > FIELDS_MAX {
                self.seen.push(Seen::new(
                    0,
                    code::LIMIT,
                    Severity::High,
                    "it has too many fields",
                ));
                return Some(());
            }
            let tag = varint(bytes, &mut at)?;
            match tag & 7 {
                0 => drop(varint(bytes, &mut at)?),
                1 => at = at.checked_add(8)?,
                5 => at = at.checked_add(4)?,
                2 => {
                    let length = usize::try_from(varint(bytes, &mut at)?).ok()?;
                    let body = bytes.get(at..at.checked_add(length)?)?;
                    at += length;
                    match (kind, tag >> 3) {
                        (Kind::Entry, 1) => key = std::str::from_utf8(body).ok()?,
                        (Kind::Entry, 2) => value = std::str::from_utf8(body).ok()?,
                        (Kind::Node, 7) => {
                            let domain = std::str::from_utf8(body).ok()?;
                            if !DOMAINS.contains(&domain) && self.foreign.len() < DOMAINS_MAX {
                                self.foreign.insert(domain.to_owned());
                            }
                        }
                        (Kind::Function, 10) if self.defined.len() < DOMAINS_MAX => {
                            self.defined
                                .insert(std::str::from_utf8(body).ok()?.to_owned());
                        }
                        (kind, field) => match child(kind, field) {
                            Kind::Other => {}
                            inner => self.message(body, inner, depth + 1)?,
                        },
                    }
                }
                _ => return None,
            }
        }
        if kind == Kind::Entry && key == "location" && leaves_its_folder(value) {
            let path: String = value
                .chars()
                .filter(|c| !c.is_control())
                .take(120)
                .collect();
            let message = format!("a tensor lies in {path}, outside of the model's folder");
            self.seen
                .push(Seen::new(0, code::EXTERNAL_DATA, Severity::High, message));
        }
        (at == bytes.len()).then_some(())
    }
}

/// Whether a path is absolute or goes up.
pub(crate) fn leaves_its_folder(path: &str) -> bool {
    let path = path.replace('\\', "/");
    let has_drive = path.as_bytes().get(1) == Some(&b':');
    path.starts_with('/')
        || has_drive
        || path.contains("://")
        || path.split('/').any(|part| part == "..")
}
