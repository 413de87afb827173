//! Files that begin like another format, and models that reach out without a pickle.

use atalaya_modelscan::{Report, Verdict};

use crate::assembler::{Packing, Pickle, codes, scan, zip};

fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    [&[number << 3 | 2, length], body].concat()
}

fn must_complain(what: &str, report: &Report, code: &str) {
    assert!(codes(report).contains(&code), "{what}: {report:#?}");
    assert_ne!(report.verdict(), Verdict::Clean, "{what}: {report:#?}");
}

#[test]
fn a_text_pickle_that_looks_like_a_zlib_stream_is_read_as_a_pickle() {
    // `(S` is a multiple of 31, as the header of zlib is.
    let report = scan("model.pkl", b"(S'id'\nios\nsystem\n.");
    assert!(report.globals.iter().any(|global| global == "os.system"));
    assert_eq!(report.verdict(), Verdict::Unsafe);
}

#[test]
fn operators_of_a_saved_model_that_reach_files_or_python_are_named() {
    for operator in [
        "PyFunc",
        "EagerPyFunc",
        "ReadFile",
        "WriteFile",
        "MergeV2Checkpoints",
    ] {
        let node = [field(1, b"n"), field(2, operator.as_bytes())].concat();
        let graph = field(2, &field(1, &node));
        let model = [
            vec![8, 1],
            field(2, &[field(1, &field(4, b"serve")), graph].concat()),
        ]
        .concat();
        must_complain(
            operator,
            &scan("m/saved_model.pb", &model),
            "dangerous_operator",
        );
    }
    let node = [field(1, b"n"), field(2, b"MatMul")].concat();
    let fine = [vec![8, 1], field(2, &field(2, &field(1, &node)))].concat();
    assert_eq!(scan("saved_model.pb", &fine).verdict(), Verdict::Clean);
}

#[test]
fn operators_of_a_foreign_domain_are_named_unless_the_model_defines_them() {
    let node = [field(4, b"Run"), field(7, b"com.other")].concat();
    let graph = field(7, &field(1, &node));
    let model = [vec![8, 8], graph.clone()].concat();
    must_complain("custom", &scan("m.onnx", &model), "dangerous_operator");
    // Field 25 has a tag of two bytes.
    let body = field(10, b"com.other");
    let local = [vec![0xca, 0x01, u8::try_from(body.len()).unwrap()], body].concat();
    let model = [vec![8, 8], graph, local].concat();
    assert_eq!(scan("m.onnx", &model).verdict(), Verdict::Clean);
}

#[test]
fn a_keras_description_may_not_make_what_reaches_out() {
    let archive = |layer: &str| {
        let config = format!(
            r#"{{"module":"keras","class_name":"Sequential","config":{{"layers":[{layer}]}}}}"#
        );
        scan(
            "m.keras",
            &zip(&[("config.json", config.as_bytes())], Packing::Stored),
        )
    };
    for (module, class) in [
        ("builtins", "exec"),
        ("keras.utils", "get_file"),
        ("keras.src.saving", "load_model"),
        ("numpy.f2py", "run"),
        ("os", "system"),
    ] {
        let layer = format!(r#"{{"module":"{module}","class_name":"{class}","config":{{}}}}"#);
        must_complain(class, &archive(&layer), "code_layer");
    }
    let dense = r#"{"module":"keras.layers","class_name":"Dense","config":{"units":{"module":"builtins","class_name":"int","config":3}}}"#;
    assert_eq!(archive(dense).verdict(), Verdict::Clean);
}

#[test]
fn what_lies_behind_an_array_of_numbers_is_looked_at() {
    let header = format!(
        "{:<117}\n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"
    );
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend_from_slice(&u16::try_from(header.len()).unwrap().to_le_bytes());
    array.extend_from_slice(header.as_bytes());
    array.extend_from_slice(&[0; 8]);
    assert_eq!(scan("a.npy", &array).verdict(), Verdict::Clean);
    array.extend(Pickle::protocol(4).global("os", "system").call("id").stop());
    assert_eq!(scan("a.npy", &array).verdict(), Verdict::Unsafe);
}

#[test]
fn an_old_compression_that_breaks_off_is_told() {
    let report = scan("m.joblib", b"ZF0x20               x\x9c");
    must_complain("joblib", &report, "malformed");
}
