//! Keras: layers that hold Python code, in the JSON of `.keras` archives and in HDF5 files.

use atalaya_model::Severity;
use serde_json::Value;

use super::Seen;
use super::onnx::leaves_its_folder;
use crate::report::code;
use crate::source::Part;

/// How deep a model's description is followed.
const DEPTH_MAX: u8 = 64;
/// Bytes that are searched at a time.
const STEP: usize = 1 << 20;

/// The description of a model.
pub(crate) fn check_config(config: &Value, seen: &mut Vec<Seen>) {
    walk(config, seen, 0);
}

fn walk(value: &Value, seen: &mut Vec<Seen>, depth: u8) {
    if depth > DEPTH_MAX {
        seen.push(Seen::new(
            0,
            code::LIMIT,
            Severity::High,
            "layers are nested too deeply",
        ));
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, seen, depth + 1)),
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            let class = text("class_name").unwrap_or("");
            if CODE_CLASSES.contains(&class) {
                seen.push(Seen::new(
                    0,
                    code::CODE_LAYER,
                    Severity::High,
                    format!("a layer `{class}` holds code, or loads it"),
                ));
            }
            // Layers that look up texts read their vocabulary from a file.
            if let Some(path) = text("vocabulary").or_else(|| text("vocabulary_file"))
                && leaves_its_folder(path)
            {
                let message = format!("a layer reads {}", short(path));
                seen.push(Seen::new(0, code::EXTERNAL_DATA, Severity::High, message));
            }
            let module = text("module").unwrap_or("keras");
            if !class.is_empty() && !is_harmless(module, class) {
                let message = format!("a layer is made by {}.{}", short(module), short(class));
                seen.push(Seen::new(0, code::CODE_LAYER, Severity::High, message));
            }
            members
                .values()
                .for_each(|member| walk(member, seen, depth + 1));
        }
        _ => {}
    }
}

/// Classes that hold code of their own, or load it: Python, a pickled module, another model.
const CODE_CLASSES: &[&str] = &[
    "Lambda",
    "__lambda__",
    "TFOpLambda",
    "TorchModuleWrapper",
    "TFSMLayer",
    "JaxLayer",
    "FlaxLayer",
];
/// Values that a description may be made of.
const BUILTINS: &[&str] = &[
    "slice",
    "tuple",
    "list",
    "dict",
    "set",
    "frozenset",
    "str",
    "bytes",
    "int",
    "float",
    "bool",
    "complex",
    "NoneType",
    "ellipsis",
];
/// Parts of Keras that fetch, load or write instead of computing.
const REACHING: &[&str] = &[
    "utils",
    "saving",
    "export",
    "datasets",
    "callbacks",
    "distribution",
    "config",
];

/// Whether a description may make that class.
fn is_harmless(module: &str, class: &str) -> bool {
    if module == "builtins" {
        return BUILTINS.contains(&class);
    }
    let is_keras = ["keras", "tensorflow.keras", "tf_keras"]
        .iter()
        .any(|known| module == *known || module.starts_with(&format!("{known}.")));
    module == "numpy" && matches!(class, "dtype" | "ndarray")
        || is_keras && !module.split('.').any(|part| REACHING.contains(&part))
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// How much is read of what may be a description, bytes; more where it goes on.
const DESCRIPTION_BYTES: [usize; 3] = [4 << 10, 1 << 20, 64 << 20];
/// Places at which a description may begin that are tried.
const DESCRIPTIONS_MAX: usize = 10_000;

/// HDF5 files hold the description as text, wherever it lies: it is read from where it begins. One
/// that is cut into pieces, as long ones are, is searched for what gives a layer with code away.
pub(crate) fn check_hdf5(part: Part<'_>) -> Vec<Seen> {
    let needles: [(&[u8], &str); 5] = [
        (b"Lambda\"", "a layer `Lambda` holds Python code"),
        (b"__lambda__\"", "a function is stored as Python code"),
        (
            b"\"function_type\": \"lambda\"",
            "a function is stored as Python code",
        ),
        (
            b"\"function_type\":\"lambda\"",
            "a function is stored as Python code",
        ),
        (
            b"TorchModuleWrapper\"",
            "a layer holds a pickled module of PyTorch",
        ),
    ];
    let mut seen = search(part, &needles, code::CODE_LAYER);
    let mut at = 0;
    for _ in 0..DESCRIPTIONS_MAX {
        let Some(start) = find(part, at, b"{\"") else {
            return seen;
        };
        let (value, read) = description(part, start);
        if let Some(value) = value {
            check_config(&value, &mut seen);
        }
        at = start + read;
    }
    seen
}

/// The object that begins there, if it is one, and how many bytes it takes.
fn description(part: Part<'_>, start: u64) -> (Option<Value>, u64) {
    for window in DESCRIPTION_BYTES {
        let bytes = part.bytes(start, window).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => return (Some(value), values.byte_offset() as u64),
            // It may go on behind the window.
            Some(Err(error)) if error.is_eof() && bytes.len() == window => {}
            _ => break,
        }
    }
    (None, 2)
}

fn find(part: Part<'_>, from: u64, needle: &[u8]) -> Option<u64> {
    let mut at = from;
    while at < part.length() {
        let bytes = part.bytes(at, STEP + needle.len()).ok()?;
        let found = bytes
            .windows(needle.len())
            .position(|window| window == needle);
        if let Some(found) = found {
            return Some(at + found as u64);
        }
        at += STEP as u64;
    }
    None
}

/// TensorFlow graphs hold the names of their operators as text.
pub(crate) fn check_graph(part: Part<'_>) -> Vec<Seen> {
    let needles: [(&[u8], &str); 14] = [
        (b"WholeFileReader", "an operator reads files"),
        (b"FixedLengthRecord", "an operator reads files"),
        (b"SaveDataset", "an operator writes files"),
        (b"LoadDataset", "an operator reads files"),
        (b"RawLoadLibrary", "an operator loads a library"),
        (b"PyFunc", "an operator calls Python"),
        (b"ImmutableConst", "an operator maps a file into memory"),
        (b"MergeV2Checkpoints", "an operator deletes files"),
        (b"DebugIdentity", "an operator sends tensors elsewhere"),
        (
            b"DataServiceDataset",
            "an operator fetches data from elsewhere",
        ),
        (b"\x08ReadFile", "an operator reads files"),
        (b"\x09WriteFile", "an operator writes files"),
        (b"MatchingFiles", "an operator lists files"),
        (b"PrintV2", "an operator can write to files"),
    ];
    search(part, &needles, code::DANGEROUS_OPERATOR)
}

fn search(part: Part<'_>, needles: &[(&[u8], &str)], code: &'static str) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    let overlap = needles
        .iter()
        .map(|(needle, _)| needle.len())
        .max()
        .unwrap_or(1);
    let mut at = 0;
    while at < part.length() {
        let Ok(bytes) = part.bytes(at, STEP + overlap) else {
            seen.push(Seen::malformed(at, "it cannot be read"));
            return seen;
        };
        for (needle, message) in needles {
            let found = bytes
                .windows(needle.len())
                .position(|window| window == *needle);
            if let Some(found) = found
                && !seen.iter().any(|known| known.message == *message)
            {
                seen.push(Seen::new(at + found as u64, code, Severity::High, *message));
            }
        }
        at += STEP as u64;
    }
    seen
}
