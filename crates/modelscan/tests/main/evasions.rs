//! Pickles that try to name something without being seen to, and pickles that are fine.

use atalaya_modelscan::{Report, Verdict};

use crate::assembler::{Pickle, codes, scan};

fn names(report: &Report, global: &str) -> bool {
    report.globals.iter().any(|known| known == global)
}

fn must_name(what: &str, bytes: &[u8], global: &str) {
    for file in ["model.pkl", "pytorch_model.bin", "weights.dat", "README"] {
        let report = scan(file, bytes);
        assert!(names(&report, global), "{what} as {file}: {report:#?}");
        assert_eq!(
            report.verdict(),
            Verdict::Unsafe,
            "{what} as {file}: {report:#?}"
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of cases")]
fn every_way_to_name_a_global_is_seen_in_every_protocol() {
    for protocol in 0..=5 {
        let new = || Pickle::protocol(protocol);
        must_name(
            "GLOBAL",
            &new().global("os", "system").call("id").stop(),
            "os.system",
        );
        must_name(
            "INST",
            &new().bytes(b"(").text("id").bytes(b"ios\nsystem\n").stop(),
            "os.system",
        );
        must_name(
            "OBJ",
            &new()
                .bytes(b"(")
                .global("os", "system")
                .text("id")
                .bytes(b"o")
                .stop(),
            "os.system",
        );
        must_name(
            "STACK_GLOBAL",
            &new().stack_global("os", "system").call("id").stop(),
            "os.system",
        );
        must_name(
            "BINUNICODE names",
            &new()
                .text("os")
                .text("system")
                .bytes(b"\x93")
                .call("id")
                .stop(),
            "os.system",
        );
        must_name(
            "UNICODE names",
            &new().bytes(b"Vos\nVsystem\n\x93").call("id").stop(),
            "os.system",
        );
        must_name(
            "STRING names",
            &new().bytes(b"S'os'\nS'system'\n\x93").call("id").stop(),
            "os.system",
        );
        must_name(
            "BINSTRING names",
            &new()
                .bytes(b"U\x02osT\x06\0\0\0system\x93")
                .call("id")
                .stop(),
            "os.system",
        );
        must_name(
            "8-byte lengths",
            &new()
                .bytes(b"\x8d\x02\0\0\0\0\0\0\0os\x8d\x06\0\0\0\0\0\0\0system\x93")
                .call("id")
                .stop(),
            "os.system",
        );
        must_name(
            "NEWOBJ",
            &new()
                .global("subprocess", "Popen")
                .bytes(b"(")
                .text("id")
                .bytes(b"t\x81")
                .stop(),
            "subprocess.Popen",
        );
        must_name(
            "memoized names",
            &new()
                .short("system")
                .bytes(b"\x940")
                .short("os")
                .bytes(b"\x94h\x00\x93")
                .call("id")
                .stop(),
            "os.system",
        );
        must_name(
            "names by PUT and GET",
            &new()
                .bytes(b"Vsystem\np7\n0Vos\ng7\n\x93")
                .call("id")
                .stop(),
            "os.system",
        );
    }
}

#[test]
fn names_that_are_computed_are_reported_as_such() {
    for (what, bytes) in [
        (
            "escaped UNICODE",
            Pickle::default()
                .bytes(b"V\\u006fs\nVsystem\n\x93")
                .call("id")
                .stop(),
        ),
        (
            "escaped STRING",
            Pickle::default()
                .bytes(b"S'\\x6fs'\nS'system'\n\x93")
                .call("id")
                .stop(),
        ),
        (
            "a name out of a list",
            Pickle::protocol(4)
                .bytes(b"]")
                .short("system")
                .bytes(b"\x93.")
                .0,
        ),
        (
            "extension registry",
            Pickle::protocol(2).bytes(b"\x82\x01)R").stop(),
        ),
        (
            "a call of a result",
            Pickle::protocol(2)
                .global("collections", "OrderedDict")
                .bytes(b")R)R")
                .stop(),
        ),
    ] {
        let report = scan("model.pkl", &bytes);
        assert!(
            codes(&report).contains(&"unresolved_global"),
            "{what}: {report:#?}"
        );
        assert_eq!(report.verdict(), Verdict::Unsafe, "{what}");
    }
}

#[test]
fn what_runs_before_a_pickle_breaks_is_seen_and_the_break_is_told() {
    let payload = Pickle::protocol(4)
        .stack_global("posix", "system")
        .call("id");
    for tail in [
        &b""[..],
        b"\xff\xff",
        b"\x80\x09",
        b"0000",
        b"h\x77",
        b"X\xff\xff\xff\x7f",
    ] {
        let report = scan("model.bin", &payload.clone().bytes(tail).0);
        assert!(names(&report, "posix.system"), "{tail:?}: {report:#?}");
        assert!(
            codes(&report).contains(&"malformed"),
            "{tail:?}: {report:#?}"
        );
    }
}

#[test]
fn a_pickle_behind_another_or_behind_data_is_seen() {
    let innocent = Pickle::protocol(2).bytes(b"}").stop();
    let payload = Pickle::protocol(2).global("os", "system").call("id").stop();
    let behind = [innocent.clone(), payload.clone()].concat();
    assert!(names(&scan("m.pkl", &behind), "os.system"));
    let behind_data = [innocent.clone(), vec![0xff; 5_000], payload.clone()].concat();
    let report = scan("m.pkl", &behind_data);
    assert!(names(&report, "os.system") && codes(&report).contains(&"trailing_data"));
    let many = [innocent.repeat(500), payload].concat();
    assert!(names(&scan("m.pkl", &many), "os.system"));
}

#[test]
fn gadgets_and_lookalikes_are_not_on_the_allow_list() {
    for (module, name) in [
        ("torch.storage", "_load_from_bytes"),
        ("torch.hub", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("builtins", "getattr"),
        ("__builtin__", "apply"),
        ("timeit", "main"),
        ("pip", "main"),
        ("collections", "OrderedDict.__init__"),
        ("some.brand.new", "gadget"),
        ("c\u{43e}llections", "OrderedDict"),
        ("collections ", "OrderedDict"),
        ("collections\r", "OrderedDict"),
    ] {
        let report = scan("m.pkl", &Pickle::protocol(2).global(module, name).stop());
        assert_eq!(
            report.verdict(),
            Verdict::Unsafe,
            "{module}.{name}: {report:#?}"
        );
    }
}

#[test]
fn plain_weights_pass() {
    let weights = Pickle::protocol(2)
        .global("collections", "OrderedDict")
        .bytes(b"q\x00)Rq\x01")
        .text("layer.weight")
        .global("torch._utils", "_rebuild_tensor_v2")
        .bytes(b"((")
        .text("storage")
        .global("torch", "FloatStorage")
        .text("0")
        .text("cpu")
        .bytes(b"K\x04tQK\x00K\x02K\x02\x86K\x02K\x01\x86\x89")
        .global("collections", "OrderedDict")
        .bytes(b")RtRs")
        .stop();
    let report = scan("data.pkl", &weights);
    assert_eq!(report.verdict(), Verdict::Clean, "{report:#?}");
    assert_eq!(report.globals.len(), 3);
    let plain = Pickle::protocol(4)
        .bytes(b"\x95\x05\0\0\0\0\0\0\0}")
        .short("a")
        .bytes(b"K\x01s")
        .stop();
    assert_eq!(scan("a.pkl", &plain).verdict(), Verdict::Clean);
    // Text files are no pickles, whatever they begin with.
    for text in [
        "# A model\n\nIt is (very) good.\n",
        "I am 1\n",
        "(hello)",
        "N.",
        "",
    ] {
        assert_eq!(
            scan("README.md", text.as_bytes()).verdict(),
            Verdict::Clean,
            "{text}"
        );
    }
}

#[test]
fn old_pytorch_files_pass_with_their_tensors_behind() {
    let number = |bytes: &[u8]| {
        Pickle::protocol(2)
            .bytes(&[0x8a, bytes.len() as u8])
            .bytes(bytes)
            .stop()
    };
    let magic = number(&[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
    let version = Pickle::protocol(2).bytes(b"M\xe9\x03").stop();
    let dictionary = Pickle::protocol(2).bytes(b"}").stop();
    let keys = Pickle::protocol(2).bytes(b"]").stop();
    let tensors = vec![0x3f; 4_096];
    let file = [
        magic,
        version,
        dictionary.clone(),
        dictionary,
        keys,
        tensors,
    ]
    .concat();
    let report = scan("pytorch_model.bin", &file);
    assert_eq!(report.verdict(), Verdict::Clean, "{report:#?}");
}
