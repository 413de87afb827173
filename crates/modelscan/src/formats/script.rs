//! `TorchScript`: a part of Python that can only call operators. Those of the usual libraries compute;
//! one maps files into memory, and those of other libraries are loaded with the model.

use std::collections::BTreeSet;

use atalaya_model::Severity;

use super::Seen;
use crate::report::code;

/// Namespaces of operators that PyTorch and its own libraries bring along.
const NAMESPACES: &[&str] = &[
    "aten",
    "prim",
    "prims",
    "quantized",
    "quantized_decomposed",
    "mkldnn",
    "mkldnn_prepacked",
    "onednn",
    "prepacked",
    "xnnpack",
    "sparse",
    "static",
    "cuda",
    "inductor",
    "torchvision",
    "image",
    "video_reader",
    "torchaudio",
    "torchtext",
    "_quantized",
    "_test",
    "metal",
    "metal_prepack",
    "vulkan_prepack",
    "rngprims",
    "profiler",
    "c10d_functional",
    "_c10d_functional",
];
/// Operators that reach files.
const REACHING: &[(&str, &str)] = &[
    ("from_file(", "an operator maps a file into memory"),
    ("read_file(", "an operator reads files"),
    ("write_file(", "an operator writes files"),
    ("torch.save(", "an operator writes files"),
    ("torch.load(", "an operator reads files"),
];
/// Foreign namespaces that are told.
const FOREIGN_MAX: usize = 16;

/// What is odd about a script.
pub(crate) fn check(text: &str) -> Vec<Seen> {
    let mut seen = Vec::new();
    for (needle, message) in REACHING {
        if let Some(at) = text.find(needle) {
            let code = code::DANGEROUS_OPERATOR;
            seen.push(Seen::new(at as u64, code, Severity::High, *message));
        }
    }
    let mut foreign = BTreeSet::new();
    for prefix in ["ops.", "torch.classes."] {
        for (at, _) in text.match_indices(prefix) {
            let is_word = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let rest = &text[at + prefix.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let name: String = rest[..end.unwrap_or(rest.len())].chars().take(80).collect();
            let is_known = name.is_empty() || NAMESPACES.contains(&name.as_str());
            if !is_word && !is_known && foreign.len() < FOREIGN_MAX && foreign.insert(name.clone())
            {
                let message = format!("operators of {name} need a library of their own");
                let code = code::DANGEROUS_OPERATOR;
                seen.push(Seen::new(at as u64, code, Severity::Medium, message));
            }
        }
    }
    seen
}
