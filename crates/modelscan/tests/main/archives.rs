//! Archives, honest and not.

use atalaya_modelscan::Verdict;

use crate::assembler::{Packing, Pickle, codes, gzip, scan, tar, zip, zlib};

fn payload() -> Vec<u8> {
    Pickle::protocol(2).global("os", "system").call("id").stop()
}

fn is_caught(what: &str, name: &str, bytes: &[u8]) {
    let report = scan(name, bytes);
    assert!(
        report.globals.iter().any(|global| global == "os.system"),
        "{what}: {report:#?}"
    );
    assert_eq!(report.verdict(), Verdict::Unsafe, "{what}");
}

#[test]
fn payloads_are_found_through_every_wrapping() {
    let payload = payload();
    for packing in [Packing::Stored, Packing::Deflated] {
        let torch = zip(
            &[
                ("archive/version", b"3"),
                ("archive/data.pkl", &payload),
                ("archive/data/0", &[0; 64]),
            ],
            packing,
        );
        is_caught("PyTorch", "model.pt", &torch);
        is_caught(
            "zip in zip",
            "a.zip",
            &zip(&[("b.zip", &zip(&[("c", &torch)], packing))], packing),
        );
        is_caught(
            "zip in tar in gzip",
            "a.tar.gz",
            &gzip(&tar(&[("x/y.pt", &torch)])),
        );
    }
    is_caught(
        "tar",
        "old.pth",
        &tar(&[("pickle", &payload), ("storages", &payload)]),
    );
    is_caught("gzip", "m.pkl.gz", &gzip(&payload));
    is_caught("zlib, as joblib does", "m.joblib", &zlib(&payload));
    let long = [payload.clone(), gzip(&payload)].concat();
    is_caught("by its bytes, not its name", "picture.png", &long);
    assert!(codes(&scan("picture.png", &payload)).contains(&"format_mismatch"));
}

#[test]
fn entries_that_only_one_reader_sees_are_looked_at() {
    let payload = payload();
    let mut hidden = zip(&[("data.pkl", &payload), ("b", b"hello")], Packing::Stored);
    // The directory forgets its first entry.
    let directory = hidden
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    let second = hidden[directory + 4..]
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap()
        + directory
        + 4;
    let end = hidden
        .windows(4)
        .position(|window| window == b"PK\x05\x06")
        .unwrap();
    hidden[end + 8] = 1;
    hidden[end + 10] = 1;
    hidden[end + 16..end + 20].copy_from_slice(&(second as u32).to_le_bytes());
    is_caught("not in the directory", "m.pt", &hidden);
    assert!(codes(&scan("m.pt", &hidden)).contains(&"ambiguous_archive"));
    // Two names for one entry.
    let mut renamed = zip(&[("data.pkl", &payload)], Packing::Stored);
    renamed[30..38].copy_from_slice(b"data.txt");
    is_caught("two names", "m.pt", &renamed);
    assert!(codes(&scan("m.pt", &renamed)).contains(&"ambiguous_archive"));
    // Without its end.
    let cut = &renamed[..renamed.len() - 30];
    is_caught("no directory", "m.pt", cut);
    assert!(codes(&scan("m.pt", cut)).contains(&"malformed"));
}

#[test]
fn bombs_nests_and_what_is_not_opened_are_told() {
    let bomb = zip(&[("data.pkl", &vec![b'('; 40 << 20])], Packing::Deflated);
    assert!(codes(&scan("m.pt", &bomb)).contains(&"limit"));
    let mut nest = payload();
    for _ in 0..12 {
        nest = zip(&[("x.zip", &nest)], Packing::Stored);
    }
    assert!(codes(&scan("m.zip", &nest)).contains(&"limit"));
    for (name, bytes) in [
        ("m.pt", &b"7z\xbc\xaf\x27\x1c\0\x04"[..]),
        ("m.bin", b"Rar!\x1a\x07\x01\0"),
        ("m.bin", b"MSCF\0\0\0\0"),
    ] {
        let report = scan(name, bytes);
        assert_eq!(codes(&report), ["unscannable"], "{name}");
        assert_eq!(report.verdict(), Verdict::Error, "{name}");
    }
    let mut encrypted = zip(&[("data.pkl", b"x")], Packing::Stored);
    encrypted[6] |= 1;
    let directory = encrypted
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    encrypted[directory + 8] |= 1;
    assert!(codes(&scan("m.pt", &encrypted)).contains(&"unscannable"));
    let escape = zip(&[("../../etc/cron.d/x", b"* * * * *")], Packing::Stored);
    assert!(codes(&scan("m.zip", &escape)).contains(&"path_escape"));
}

#[test]
fn honest_archives_pass() {
    let weights = Pickle::protocol(2)
        .global("collections", "OrderedDict")
        .bytes(b")R")
        .stop();
    for packing in [Packing::Stored, Packing::Deflated] {
        let torch = zip(
            &[
                ("a/data.pkl", &weights),
                ("a/data/0", &[7; 4_096]),
                ("a/version", b"3\n"),
            ],
            packing,
        );
        let report = scan("model.pt", &torch);
        assert_eq!(report.verdict(), Verdict::Clean, "{report:#?}");
        assert_eq!(report.format, "zip");
    }
    assert_eq!(
        scan("m.tar", &tar(&[("a.txt", b"hello")])).verdict(),
        Verdict::Clean
    );
}
