//! Which globals a pickle may name.
//!
//! The list holds what the common frameworks write for plain weights: containers, numbers, tensor
//! rebuilders. Everything else is reported, and what is known to run code is reported as such. The
//! second list changes only the words: nothing gets through for not being on it.

use std::collections::HashSet;

/// Names of tensor storages and of types of numbers in `torch`.
const TORCH: &[&str] = &[
    "FloatStorage",
    "DoubleStorage",
    "HalfStorage",
    "BFloat16Storage",
    "LongStorage",
    "IntStorage",
    "ShortStorage",
    "CharStorage",
    "ByteStorage",
    "BoolStorage",
    "ComplexFloatStorage",
    "ComplexDoubleStorage",
    "QInt8Storage",
    "QUInt8Storage",
    "QInt32Storage",
    "Size",
    "device",
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "float",
    "double",
    "half",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "bool",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e5m2",
    "Tensor",
    "strided",
    "sparse_coo",
    "qint8",
    "quint8",
    "qint32",
    "per_tensor_affine",
    "per_channel_affine",
];

/// Module and names.
#[rustfmt::skip]
const ALLOWED: &[(&str, &[&str])] = &[
    ("collections", &["OrderedDict", "defaultdict", "Counter", "deque"]),
    ("builtins", &["set", "frozenset", "list", "dict", "tuple", "int", "float", "complex", "bool",
        "str", "bytes", "bytearray", "slice", "range", "object"]),
    ("__builtin__", &["set", "frozenset", "list", "dict", "tuple", "int", "long", "float",
        "complex", "bool", "str", "unicode", "bytearray", "slice", "xrange", "object"]),
    ("copyreg", &["_reconstructor"]),
    ("copy_reg", &["_reconstructor"]),
    ("_codecs", &["encode"]),
    ("datetime", &["datetime", "date", "time", "timedelta", "timezone"]),
    ("decimal", &["Decimal"]),
    ("fractions", &["Fraction"]),
    ("uuid", &["UUID"]),
    ("torch", TORCH),
    ("torch._utils", &["_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3",
        "_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_qtensor",
        "_rebuild_sparse_tensor", "_rebuild_meta_tensor_no_storage",
        "_rebuild_device_tensor_from_numpy", "_rebuild_wrapper_subclass"]),
    ("torch._tensor", &["_rebuild_from_type_v2"]),
    ("torch.nn.parameter", &["Parameter", "Buffer"]),
    ("torch.serialization", &["_get_layout"]),
    ("torch.storage", &["UntypedStorage", "TypedStorage", "_UntypedStorage", "_TypedStorage"]),
    ("numpy", &["ndarray", "dtype", "float16", "float32", "float64", "int8", "int16", "int32",
        "int64", "uint8", "uint16", "uint32", "uint64", "bool_", "complex64", "complex128", "str_",
        "bytes_"]),
    ("numpy.core.multiarray", &["_reconstruct", "scalar"]),
    ("numpy._core.multiarray", &["_reconstruct", "scalar"]),
    ("numpy.core.numeric", &["_frombuffer"]),
    ("numpy._core.numeric", &["_frombuffer"]),
    ("joblib.numpy_pickle", &["NumpyArrayWrapper"]),
];

/// Modules, or names in them, that run code, reach files or the network, or find what does.
#[rustfmt::skip]
const DANGEROUS: &[(&str, &[&str])] = &[
    ("builtins", &["eval", "exec", "compile", "open", "getattr", "setattr", "delattr", "__import__",
        "globals", "locals", "vars", "input", "breakpoint", "apply", "map", "filter", "print",
        "memoryview", "type", "super", "property"]),
    ("__builtin__", &["eval", "exec", "execfile", "compile", "open", "file", "getattr", "setattr",
        "delattr", "__import__", "globals", "locals", "vars", "input", "raw_input", "apply", "map",
        "filter", "reduce", "reload", "type"]),
    ("os", &[]), ("posix", &[]), ("nt", &[]), ("sys", &[]), ("subprocess", &[]), ("commands", &[]),
    ("popen2", &[]), ("pty", &[]), ("platform", &[]), ("shutil", &[]), ("socket", &[]), ("ssl", &[]),
    ("_socket", &[]), ("http", &[]), ("urllib", &[]), ("urllib2", &[]), ("httplib", &[]),
    ("requests", &[]), ("httpx", &[]), ("aiohttp", &[]), ("ftplib", &[]), ("smtplib", &[]),
    ("telnetlib", &[]), ("webbrowser", &[]), ("importlib", &[]), ("imp", &[]), ("pkgutil", &[]),
    ("runpy", &[]), ("code", &[]), ("codeop", &[]), ("types", &[]), ("marshal", &[]),
    ("pickle", &[]), ("_pickle", &[]), ("cPickle", &[]), ("dill", &[]), ("cloudpickle", &[]),
    ("joblib", &["load"]), ("shelve", &[]), ("operator", &[]), ("_operator", &[]),
    ("functools", &[]), ("itertools", &[]), ("inspect", &[]), ("ctypes", &[]), ("_ctypes", &[]),
    ("cffi", &[]), ("multiprocessing", &[]), ("threading", &[]), ("_thread", &[]), ("signal", &[]),
    ("asyncio", &[]), ("concurrent", &[]), ("tempfile", &[]), ("pathlib", &[]), ("io", &[]),
    ("_io", &[]), ("glob", &[]), ("pip", &[]), ("setuptools", &[]), ("distutils", &[]),
    ("ensurepip", &[]), ("venv", &[]), ("timeit", &[]), ("trace", &[]), ("pdb", &[]), ("bdb", &[]),
    ("profile", &[]), ("cProfile", &[]), ("doctest", &[]), ("unittest", &[]), ("idlelib", &[]),
    ("lib2to3", &[]), ("test", &[]), ("logging", &["config"]), ("gc", &[]), ("builtin", &[]),
    ("torch.hub", &[]), ("torch.storage", &["_load_from_bytes"]), ("torch.serialization", &["load"]),
    ("torch", &["load", "compile"]), ("torch.jit", &[]), ("torch.utils", &[]),
    ("torch._inductor", &[]), ("torch.distributed", &[]), ("torch.multiprocessing", &[]),
    ("numpy.testing", &[]), ("numpy.f2py", &[]), ("numpy", &["load", "fromfile", "memmap"]),
    ("numpy.distutils", &[]), ("pandas", &["eval", "read_pickle"]), ("keras", &[]),
    ("tensorflow", &[]), ("transformers", &[]), ("bdist", &[]), ("nturl2path", &[]), ("site", &[]),
    ("sysconfig", &[]), ("zipimport", &[]), ("xmlrpc", &[]), ("atexit", &[]), ("copy", &[]),
];

/// What is thought of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Allowed,
    Unlisted,
    Dangerous,
}

/// The globals that pickles may name.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    names: HashSet<String>,
    modules: Vec<String>,
}

impl AllowList {
    /// What is needed for plain weights.
    #[must_use]
    pub fn builtin() -> Self {
        let names = ALLOWED
            .iter()
            .flat_map(|(module, names)| names.iter().map(move |name| format!("{module} {name}")));
        Self {
            names: names.collect(),
            modules: vec!["__torch__".to_owned()],
        }
    }

    /// Allows `module.name`, or all of a module and of those below it: `sklearn.*`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn allow(&mut self, global: &str) -> Result<(), String> {
        if let Some(module) = global
            .strip_suffix(".*")
            .filter(|module| !module.is_empty())
        {
            self.modules.push(module.to_owned());
            return Ok(());
        }
        match global.rsplit_once('.') {
            Some((module, name)) if !module.is_empty() && !name.is_empty() => {
                self.names.insert(format!("{module} {name}"));
                Ok(())
            }
            _ => Err(format!(
                "`{global}` is neither `module.name` nor `module.*`"
            )),
        }
    }

    pub(crate) fn standing(&self, module: &str, name: &str) -> Standing {
        let is_below = |known: &String| {
            let rest = module.strip_prefix(known.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        // A space in a module's name must not make it another's.
        let is_plain = !module.contains(' ') && !name.contains(' ');
        if is_plain && self.names.contains(&format!("{module} {name}")) {
            return Standing::Allowed;
        }
        // Dots in a name reach for attributes: no whole module is allowed to do that.
        if self.modules.iter().any(is_below) && !name.contains('.') {
            return Standing::Allowed;
        }
        let first = name.split('.').next().unwrap_or("");
        let is_dangerous = DANGEROUS.iter().any(|(known, names)| {
            let rest = module.strip_prefix(known);
            match names.is_empty() {
                true => rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
                false => rest == Some("") && names.contains(&first),
            }
        });
        if is_dangerous || name.contains('.') {
            Standing::Dangerous
        } else {
            Standing::Unlisted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AllowList, Standing};

    #[test]
    fn weights_are_allowed_and_everything_else_is_not() {
        let mut list = AllowList::builtin();
        for (module, name, standing) in [
            ("collections", "OrderedDict", Standing::Allowed),
            ("torch._utils", "_rebuild_tensor_v2", Standing::Allowed),
            ("__torch__.module", "Linear", Standing::Allowed),
            ("torch.storage", "_load_from_bytes", Standing::Dangerous),
            ("os", "system", Standing::Dangerous),
            ("os.path", "join", Standing::Dangerous),
            ("osmium", "system", Standing::Unlisted),
            ("collections", "OrderedDict.fromkeys", Standing::Dangerous),
            ("builtins", "getattr", Standing::Dangerous),
            ("sklearn.svm", "SVC", Standing::Unlisted),
            ("collections OrderedDict", "", Standing::Unlisted),
        ] {
            assert_eq!(list.standing(module, name), standing, "{module}.{name}");
        }
        list.allow("sklearn.*").unwrap();
        assert_eq!(list.standing("sklearn.svm", "SVC"), Standing::Allowed);
        assert_eq!(list.standing("sklearnx", "SVC"), Standing::Unlisted);
        assert!(list.allow("nothing").is_err());
    }
}
