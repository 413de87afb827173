//! Formats that are no archives.

use atalaya_modelscan::Verdict;

use crate::assembler::{Packing, Pickle, codes, scan, zip};

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn safetensors_keep_their_rules() {
    let fine = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}}"#;
    let report = scan("m.safetensors", &safetensors(fine, 22));
    assert_eq!(
        (report.verdict(), report.format),
        (Verdict::Clean, "safetensors"),
        "{report:#?}"
    );
    for (what, header, data) in [
        (
            "past the end",
            r#"{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}"#,
            8,
        ),
        (
            "overlap",
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
            6,
        ),
        (
            "gap",
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}}"#,
            10,
        ),
        (
            "behind the last",
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
            90,
        ),
        (
            "key twice",
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
            4,
        ),
        (
            "size",
            r#"{"a":{"dtype":"F64","shape":[4],"data_offsets":[0,4]}}"#,
            4,
        ),
        (
            "backwards",
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}"#,
            4,
        ),
        (
            "overflow",
            r#"{"a":{"dtype":"U8","shape":[9223372036854775807,9],"data_offsets":[0,4]}}"#,
            4,
        ),
        (
            "type",
            r#"{"a":{"dtype":"PICKLE","shape":[4],"data_offsets":[0,4]}}"#,
            4,
        ),
        ("no JSON", r#"{"a":"#, 4),
    ] {
        let report = scan("m.safetensors", &safetensors(header, data));
        assert!(codes(&report).contains(&"malformed"), "{what}: {report:#?}");
    }
    let payload = Pickle::protocol(2).global("os", "system").call("id").stop();
    assert!(codes(&scan("m.safetensors", &payload)).contains(&"format_mismatch"));
    let mut long = safetensors(fine, 22);
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_ne!(scan("m.safetensors", &long).verdict(), Verdict::Clean);
}

fn npy(descr: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn arrays_of_objects_are_pickles() {
    let payload = Pickle::protocol(3).global("os", "system").call("id").stop();
    for descr in ["'|O'", "'O8'", "[('a', '<f4'), ('b', '|O')]"] {
        let array = npy(descr, &payload);
        assert_eq!(scan("a.npy", &array).globals, ["os.system"], "{descr}");
        let npz = zip(
            &[("a.npy", &npy("'<f4'", &[0; 4])), ("b.npy", &array)],
            Packing::Deflated,
        );
        assert_eq!(scan("a.npz", &npz).globals, ["os.system"], "{descr}");
    }
    assert_eq!(
        scan("a.npy", &npy("'<f4'", &[0, 0, 128, 63])).verdict(),
        Verdict::Clean
    );
    assert_eq!(scan("a.npy", b"\x93NUMPY\x01").verdict(), Verdict::Error);
}

fn joblib(dtype: &str, shape: u8, data: &[u8], rest: &[u8]) -> Vec<u8> {
    Pickle::protocol(3)
        .global("joblib.numpy_pickle", "NumpyArrayWrapper")
        .bytes(b")\x81}(")
        .text("subclass")
        .global("numpy", "ndarray")
        .text("shape")
        .bytes(&[b'K', shape, 0x85])
        .text("order")
        .text("C")
        .text("dtype")
        .global("numpy", "dtype")
        .text(dtype)
        .bytes(b"\x89\x88\x87R(K\x03")
        .text("<")
        .bytes(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
        .text("allow_mmap")
        .bytes(b"\x88ub")
        .bytes(data)
        .bytes(rest)
        .stop()
}

#[test]
fn joblib_arrays_between_opcodes_are_passed_over_and_arrays_of_objects_are_not() {
    let report = scan("m.joblib", &joblib("f8", 3, &[0xff; 24], b""));
    assert_eq!(report.verdict(), Verdict::Clean, "{report:#?}");
    let payload = Pickle::default().global("os", "system").call("id").0;
    let report = scan("m.joblib", &joblib("f8", 3, &[0xff; 24], &payload));
    assert!(
        report.globals.contains(&"os.system".to_owned()),
        "{report:#?}"
    );
    let objects = Pickle::protocol(3).global("os", "system").call("id").stop();
    let report = scan("m.joblib", &joblib("O8", 1, &objects, b""));
    assert!(
        report.globals.contains(&"os.system".to_owned()),
        "{report:#?}"
    );
    assert_eq!(
        scan("m.joblib", &joblib("f8", 200, &[0xff; 24], b"")).verdict(),
        Verdict::Error
    );
}

#[test]
fn layers_with_code_are_found() {
    let config = |layer: &str| {
        format!(r#"{{"class_name":"Sequential","module":"keras","config":{{"layers":[{layer}]}}}}"#)
    };
    let lambda = config(
        r#"{"module":"keras.layers","class_name":"Lambda","config":{"function":{"class_name":"__lambda__"}}}"#,
    );
    let dense = config(r#"{"module":"keras.layers","class_name":"Dense","config":{}}"#);
    let foreign = config(r#"{"module":"os","class_name":"system","config":{}}"#);
    let keras = |config: &str| {
        zip(
            &[("metadata.json", b"{}"), ("config.json", config.as_bytes())],
            Packing::Deflated,
        )
    };
    assert!(codes(&scan("m.keras", &keras(&lambda))).contains(&"code_layer"));
    assert!(codes(&scan("m.keras", &keras(&foreign))).contains(&"code_layer"));
    assert_eq!(scan("m.keras", &keras(&dense)).verdict(), Verdict::Clean);
    let mut hdf5 = b"\x89HDF\r\n\x1a\n".to_vec();
    hdf5.resize(2_000_000, 0);
    assert_eq!(scan("m.h5", &hdf5).verdict(), Verdict::Clean);
    hdf5.extend_from_slice(br#"{"class_name": "Lambda", "config""#);
    assert_eq!(codes(&scan("m.h5", &hdf5)), ["code_layer"]);
    assert_eq!(
        codes(&scan("saved_model.pb", b"\x12\x07EagerPyFunc...")),
        ["dangerous_operator"]
    );
}

fn gguf(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    bytes.extend_from_slice(&(pairs.len() as u64).to_le_bytes());
    for (key, value) in pairs {
        bytes.extend_from_slice(&(key.len() as u64).to_le_bytes());
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&8_u32.to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        bytes.extend_from_slice(value.as_bytes());
    }
    bytes
}

#[test]
fn chat_templates_are_hashed_and_looked_at_wherever_they_are() {
    let plain = "{% for m in messages %}{{ m['content'] }}{% endfor %}";
    let evil = "{{ ''.__class__.__mro__ }}";
    let report = scan(
        "m.gguf",
        &gguf(&[("general.name", "x"), ("tokenizer.chat_template", plain)]),
    );
    assert_eq!(
        (report.verdict(), report.templates.len()),
        (Verdict::Clean, 1),
        "{report:#?}"
    );
    assert_eq!(report.templates[0].sha256.len(), 64);
    let files = [
        ("m.gguf", gguf(&[("tokenizer.chat_template", evil)])),
        (
            "tokenizer_config.json",
            serde_json::json!({"chat_template": evil})
                .to_string()
                .into_bytes(),
        ),
        (
            "tokenizer_config.json",
            serde_json::json!({"chat_template": [{"name": "rag", "template": evil}]})
                .to_string()
                .into_bytes(),
        ),
        ("chat_template.jinja", evil.as_bytes().to_vec()),
    ];
    for (name, bytes) in files {
        let report = scan(name, &bytes);
        assert_eq!(
            codes(&report),
            ["suspicious_template"],
            "{name}: {report:#?}"
        );
    }
    let mut cut = gguf(&[("tokenizer.chat_template", plain)]);
    cut.truncate(40);
    assert_eq!(scan("m.gguf", &cut).verdict(), Verdict::Error);
    let mut boast = gguf(&[]);
    boast[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(scan("m.gguf", &boast).verdict(), Verdict::Error);
}

#[test]
fn code_of_a_model_and_data_outside_of_its_folder_are_told() {
    let remote = br#"{"auto_map":{"AutoModel":"other/repo--modeling.Model"}}"#;
    assert_eq!(scan("config.json", remote).verdict(), Verdict::Unsafe);
    let own = br#"{"auto_map":{"AutoModel":"modeling.Model"}}"#;
    assert_eq!(codes(&scan("config.json", own)), ["remote_code"]);
    let field = |number: u8, body: &[u8]| [&[number << 3 | 2, body.len() as u8], body].concat();
    let onnx = |location: &str| {
        let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
        let tensor = field(13, &entry);
        let graph = field(5, &tensor);
        [vec![0x08, 0x08], field(2, b"test"), field(7, &graph)].concat()
    };
    assert_eq!(
        scan("m.onnx", &onnx("weights.bin")).verdict(),
        Verdict::Clean
    );
    for path in ["../../etc/passwd", "/etc/passwd", "C:\\x", "a/../../b"] {
        assert_eq!(
            codes(&scan("m.onnx", &onnx(path))),
            ["external_data"],
            "{path}"
        );
    }
    assert_eq!(
        scan("m.onnx", &onnx("weights.bin")[..20]).verdict(),
        Verdict::Error
    );
}
