//! Payloads behind another format's first bytes, behind compressions, and behind what only one
//! reader passes over.

use std::io::Write as _;

use atalaya_modelscan::Verdict;

use crate::assembler::{Packing, Pickle, codes, scan, tar, zip, zlib};

fn payload() -> Vec<u8> {
    Pickle::protocol(4)
        .stack_global("os", "system")
        .call("id")
        .stop()
}

/// Opcodes of the payload without a header, as protocol 0 writes them.
fn bare() -> Vec<u8> {
    Pickle::default().global("os", "system").call("id").stop()
}

fn is_named(what: &str, name: &str, bytes: &[u8]) {
    let report = scan(name, bytes);
    assert!(
        report.globals.iter().any(|global| global == "os.system"),
        "{what}: {report:#?}"
    );
    assert_eq!(report.verdict(), Verdict::Unsafe, "{what}: {report:#?}");
}

fn is_told(what: &str, name: &str, bytes: &[u8], code: &str) {
    let report = scan(name, bytes);
    assert!(codes(&report).contains(&code), "{what}: {report:#?}");
    assert_ne!(report.verdict(), Verdict::Clean, "{what}: {report:#?}");
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lzma(bytes: &[u8]) -> Vec<u8> {
    let options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A frame of one plain block, and of one block whose text repeats itself (`aaaa…`) before it.
fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    // One literal, then eight more of it, then the end: `N` is an opcode that harms nobody.
    let repeated = [0x14, b'N', 1, 0, 0x10, b'N'];
    out.extend_from_slice(&(repeated.len() as u32).to_le_bytes());
    out.extend_from_slice(&repeated);
    out.extend_from_slice(&(bytes.len() as u32 | 1 << 31).to_le_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0; 4]);
    out
}

fn old_joblib(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("ZF{:<19}", format!("{:#x}", bytes.len())).into_bytes();
    out.extend(zlib(bytes));
    out
}

#[test]
fn every_compression_that_joblib_writes_is_opened() {
    for (what, bytes) in [
        ("zlib", zlib(&payload())),
        ("bzip2", bzip2(&payload())),
        ("xz", xz(&payload())),
        ("lzma", lzma(&payload())),
        ("zstd", zstd::encode_all(payload().as_slice(), 1).unwrap()),
        ("lz4", lz4(&bare())),
        ("joblib before 0.10", old_joblib(&payload())),
        ("one in the other", xz(&bzip2(&payload()))),
    ] {
        is_named(what, "model.joblib", &bytes);
        is_named(what, "model.zip", &zip(&[("m", &bytes)], Packing::Stored));
        // Cut off or changed, it is never fine, and never a crash.
        for at in 0..bytes.len() {
            assert_ne!(scan("m.joblib", &bytes[..at]).path, "", "{what}");
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            scan("m.joblib", &changed);
        }
        let half = scan("m.joblib", &bytes[..bytes.len() / 2]);
        assert_ne!(half.verdict(), Verdict::Clean, "{what}: {half:#?}");
    }
}

#[test]
fn a_compression_that_grows_without_end_is_a_limit() {
    for (what, bytes) in [
        ("bzip2", bzip2(&vec![b'N'; 9 << 20])),
        ("xz", xz(&vec![b'N'; 9 << 20])),
        (
            "zstd",
            zstd::encode_all(vec![b'N'; 9 << 20].as_slice(), 1).unwrap(),
        ),
    ] {
        is_told(what, "m.joblib", &bytes, "limit");
    }
}

#[test]
fn first_bytes_of_another_format_do_not_hide_a_pickle() {
    for (what, head) in [
        // BINFLOAT takes eight bytes, whatever they spell.
        ("GGUF", &b"GGUF\x03\0\0\0\0"[..]),
        ("safetensors", b"G\x10\0\0\0\0\0\0{"),
        // BININT2, and a number in digits.
        ("cab", b"MSCF1.5\n"),
    ] {
        is_named(what, "pytorch_model.bin", &[head, &bare()].concat());
        is_named(what, "README", &[head, &bare()].concat());
    }
}

#[test]
fn an_archive_behind_another_file_is_opened() {
    let archive = zip(&[("archive/data.pkl", &payload())], Packing::Deflated);
    let header = br#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
    let safetensors = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    let innocent = Pickle::protocol(2).bytes(b"}").stop();
    let decoy = zip(&[("readme", b"hello")], Packing::Stored);
    for (what, name, front) in [
        ("safetensors", "m.safetensors", safetensors),
        ("pickle", "m.pkl", innocent),
        ("picture", "m.png", b"\x89PNG\r\n\x1a\n....".to_vec()),
        ("another archive", "m.pt", decoy),
    ] {
        is_named(what, name, &[front, archive.clone()].concat());
    }
}

#[test]
fn a_mark_of_encryption_is_not_believed() {
    let mut marked = zip(&[("archive/data.pkl", &payload())], Packing::Stored);
    marked[6] |= 1;
    is_named("in the entry", "m.pt", &marked);
    let directory = marked.windows(4).position(|window| window == b"PK\x01\x02");
    marked[directory.unwrap() + 8] |= 1;
    is_named("in both", "m.pt", &marked);
    is_told("in both", "m.pt", &marked, "unscannable");
}

#[test]
fn compressions_of_zip_entries_are_opened() {
    let body = lzma(&payload());
    // Version, size of the properties, the properties; the size lies in the zip's headers.
    let wrapped = [&[9, 4, 5, 0], &body[..5], &body[13..]].concat();
    for (what, method, bytes) in [
        ("bzip2", 12_u8, bzip2(&payload())),
        ("LZMA", 14, wrapped),
        (
            "zstd",
            93,
            zstd::encode_all(payload().as_slice(), 1).unwrap(),
        ),
        ("xz", 95, xz(&payload())),
    ] {
        let mut archive = zip(&[("archive/data.pkl", &bytes)], Packing::Stored);
        archive[8] = method;
        let directory = archive
            .windows(4)
            .position(|window| window == b"PK\x01\x02");
        let at = directory.unwrap();
        archive[at + 10] = method;
        // The size of what comes out; LZMA has an end of its own.
        archive[at + 24..at + 28].fill(0);
        is_named(what, "m.pt", &archive);
    }
}

/// What joblib passes over as an array of numbers is run by who does not know joblib.
#[test]
fn opcodes_in_the_place_of_an_array_are_read() {
    let hidden = bare();
    let dtype = |shape: u8| {
        Pickle::protocol(3)
            .global("joblib.numpy_pickle", "NumpyArrayWrapper")
            .bytes(b")\x81}(")
            .text("shape")
            .bytes(&[b'K', shape, 0x85])
            .text("dtype")
            .global("numpy", "dtype")
            .text("u1")
            .bytes(b"\x89\x88\x87R(K\x03")
            .text("|")
            .bytes(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbub")
    };
    let file = dtype(hidden.len() as u8).bytes(&hidden).stop();
    is_named("in the array", "m.pkl", &file);
    let numbers = dtype(200).bytes(&[0xc7; 200]).stop();
    let report = scan("m.joblib", &numbers);
    assert_eq!(report.verdict(), Verdict::Clean, "{report:#?}");
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

#[test]
fn an_array_of_objects_is_seen_however_its_type_is_spelled() {
    for descr in [
        "'descr': 'O'",
        "'descr': 'object'",
        "'descr': \"|O8\"",
        "'descr': 'f4,O'",
        "'descr': '3O'",
        "'descr': '(2,)O'",
        "'descr': [('a', '<f4'), ('b', 'O')]",
        "'descr': '\\x4f'",
        "'d\\x65scr': 'O'",
        "'descr': '<f4', 'fortran_order': True, 'descr': 'O'",
    ] {
        let header = format!("{{{descr}, 'fortran_order': False, 'shape': (1,), }}\n");
        for data in [payload(), bare()] {
            is_named(descr, "a.npy", &npy(&header, &data));
            let archive = zip(&[("a.npy", &npy(&header, &data))], Packing::Deflated);
            is_named(descr, "a.npz", &archive);
        }
    }
    for descr in ["'<f4'", "[('Offset', '<f4'), ('Order', '|S3')]", "'<U8'"] {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n");
        let report = scan("a.npy", &npy(&header, &[0, 0, 128, 63]));
        assert_eq!(report.verdict(), Verdict::Clean, "{descr}: {report:#?}");
    }
}

#[test]
fn a_pickle_behind_thousands_that_are_none_is_found() {
    let innocent = Pickle::protocol(2).bytes(b"}").stop();
    let decoys = b"\x80\x02N\xff".repeat(50_000);
    let file = [innocent, decoys, payload()].concat();
    is_named("decoys", "m.pkl", &file);
}

#[test]
fn headers_of_tar_that_say_more_are_believed() {
    let record = |key: &str, value: &str| {
        let tail = format!(" {key}={value}\n");
        let length = tail.len() + 2;
        format!("{length}{tail}").into_bytes()
    };
    let with = |kind: u8, ahead: &[u8], entry: &[u8]| {
        let mut archive = tar(&[("ahead", ahead), ("weights.bin", entry)]);
        archive[156] = kind;
        archive
    };
    let escape = record("path", "../../etc/cron.d/x");
    is_told(
        "pax",
        "m.tar",
        &with(b'x', &escape, b"hello"),
        "path_escape",
    );
    is_told(
        "GNU",
        "m.tar",
        &with(b'L', b"../../x\0", b"hello"),
        "path_escape",
    );
    // The length in the record holds, and with it where the next entry begins.
    let mut short = with(b'x', &record("size", "9999"), &payload());
    short.extend_from_slice(&[0; 512]);
    is_told("size", "m.tar", &short, "malformed");
    let mut link = with(b'K', b"/etc/passwd\0", b"");
    link[1_024 + 156] = b'2';
    is_told("link", "m.tar", &link, "path_escape");
    let behind = [tar(&[("a", b"hello")]), tar(&[("b.pkl", &payload())])].concat();
    is_named("behind the end", "m.tar", &behind);
}

#[test]
fn layers_that_bring_code_or_read_files_are_told() {
    let model = |layer: &str| {
        format!(r#"{{"module":"keras","class_name":"Sequential","config":{{"layers":[{layer}]}}}}"#)
    };
    let layer = |module: &str, class: &str, config: &str| {
        model(&format!(
            r#"{{"module":"{module}","class_name":"{class}","config":{config}}}"#
        ))
    };
    for (what, text, code) in [
        (
            "torch",
            layer("keras.layers", "TorchModuleWrapper", "{}"),
            "code_layer",
        ),
        (
            "model",
            layer("keras.layers", "TFSMLayer", "{}"),
            "code_layer",
        ),
        ("jax", layer("keras.layers", "JaxLayer", "{}"), "code_layer"),
        (
            "switch",
            layer(
                "keras.config",
                "function",
                "\"enable_unsafe_deserialization\"",
            ),
            "code_layer",
        ),
        (
            "words",
            layer(
                "keras.layers",
                "StringLookup",
                r#"{"vocabulary":"/etc/passwd"}"#,
            ),
            "external_data",
        ),
    ] {
        let archive = zip(&[("config.json", text.as_bytes())], Packing::Deflated);
        is_told(what, "m.keras", &archive, code);
        let hdf5 = hdf5(text.as_bytes());
        is_told(what, "m.h5", &hdf5, code);
    }
    for text in [
        r#"{"class_name" : "Lambda", "config": {}}"#,
        r#"{"class_name": "\u004cambda", "config": {}}"#,
        r#"{"class_name":
            "Lambda","config":{}}"#,
    ] {
        let hdf5 = hdf5(text.as_bytes());
        is_told(text, "m.h5", &hdf5, "code_layer");
    }
    let words = layer(
        "keras.layers",
        "StringLookup",
        r#"{"vocabulary":["a","b"]}"#,
    );
    let hdf5 = hdf5(words.as_bytes());
    assert_eq!(scan("m.h5", &hdf5).verdict(), Verdict::Clean);
}

#[test]
fn scripts_and_native_code_beside_the_weights_are_told() {
    let torch = |name: &str, bytes: &[u8]| zip(&[(name, bytes)], Packing::Deflated);
    let script = "a/code/__torch__/m.py";
    let plain =
        b"def forward(self, x: Tensor) -> Tensor:\n  return torch.add(ops.prim.min(x), x)\n";
    assert_eq!(
        scan("m.pt", &torch(script, plain)).verdict(),
        Verdict::Clean
    );
    for (what, text) in [
        (
            "file",
            "  _0 = torch.from_file(\"/etc/passwd\", False, 9)\n",
        ),
        ("library", "  _0 = ops.evil.run(x)\n"),
        (
            "class",
            "  _0 = __torch__.torch.classes.evil.Runner.__new__()\n",
        ),
    ] {
        is_told(
            what,
            "m.pt",
            &torch(script, text.as_bytes()),
            "dangerous_operator",
        );
    }
    is_told(
        "module",
        "m.pt",
        &torch("a/loader.py", b"import os\n"),
        "remote_code",
    );
    is_told(
        "library",
        "m.zip",
        &torch("a/op.so", b"\x7fELF\x02\x01\x01\0"),
        "native_code",
    );
    is_told("objects", "m.bin", b"\xac\xed\0\x05sr\0", "unscannable");
}

#[test]
fn tensors_in_every_place_of_a_graph_are_looked_at() {
    let field = |number: u32, body: &[u8]| {
        let tag = number << 3 | 2;
        let head = if tag < 128 {
            vec![tag as u8]
        } else {
            vec![tag as u8 | 0x80, (tag >> 7) as u8]
        };
        [head, vec![u8::try_from(body.len()).unwrap()], body.to_vec()].concat()
    };
    let entry = [field(1, b"location"), field(2, b"../../etc/passwd")].concat();
    let tensor = field(13, &entry);
    let sparse = field(1, &tensor);
    for (what, body) in [
        ("sparse", field(7, &field(15, &sparse))),
        (
            "attribute",
            field(7, &field(1, &field(5, &field(22, &sparse)))),
        ),
        ("training", field(20, &field(2, &field(5, &tensor)))),
        (
            "function",
            field(25, &field(7, &field(5, &field(5, &tensor)))),
        ),
    ] {
        let model = [vec![0x08, 0x08], field(2, b"test"), body].concat();
        is_told(what, "m.onnx", &model, "external_data");
    }
}

#[test]
fn configurations_that_name_code_of_their_own_are_told() {
    for (name, text) in [
        (
            "config.json",
            r#"{"custom_pipelines":{"x":{"impl":"pipe.Mine"}}}"#,
        ),
        (
            "adapter_config.json",
            r#"{"auto_mapping":{"parent_library":"evil.models"}}"#,
        ),
        (
            "modules.json",
            r#"[{"idx":0,"name":"0","path":"","type":"evil.Module"}]"#,
        ),
    ] {
        is_told(name, name, text.as_bytes(), "remote_code");
    }
    let usual = r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Pooling"}]"#;
    assert_eq!(
        scan("modules.json", usual.as_bytes()).verdict(),
        Verdict::Clean
    );
}

/// A file of Keras in HDF5, as far as a scan looks: its description lies somewhere behind the magic.
fn hdf5(description: &[u8]) -> Vec<u8> {
    [b"\x89HDF\r\n\x1a\n", &[0; 3_000][..], description, &[0; 90]].concat()
}
