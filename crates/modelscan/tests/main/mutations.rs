//! Whatever is done to a pickle: it never crashes the scan, and a global that is still named in it
//! is still seen.

use atalaya_modelscan::Verdict;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::assembler::{Packing, Pickle, scan, zip};

/// Opcodes that leave the stack as it was, and those that only add to it.
fn filler() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"N0".to_vec()),
        Just(b"K\x070".to_vec()),
        Just(b"}".to_vec()),
        Just(b"]".to_vec()),
        Just(b"(1".to_vec()),
        Just(b"\x88".to_vec()),
        Just(b"\x95\x10\0\0\0\0\0\0\0".to_vec()),
        vec(any::<u8>(), 0..40).prop_map(|bytes| [
            &[b'C', bytes.len() as u8],
            bytes.as_slice(),
            b"0"
        ]
        .concat()),
        "[a-z]{1,9}".prop_map(|text| format!("V{text}\n").into_bytes()),
        Just(b"]\x940".to_vec()),
    ]
}

fn way(kind: u8) -> Vec<u8> {
    let new = Pickle::default();
    match kind % 6 {
        0 => new.global("os", "system").call("id").0,
        1 => new.stack_global("os", "system").call("id").0,
        2 => new.text("os").text("system").bytes(b"\x93").call("id").0,
        3 => new.bytes(b"(").text("id").bytes(b"ios\nsystem\n").0,
        4 => {
            new.bytes(b"(")
                .global("os", "system")
                .text("id")
                .bytes(b"o")
                .0
        }
        _ => new.bytes(b"Vos\nU\x06system\x93").call("id").0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_payload_among_anything_harmless_is_seen(
        before in vec(filler(), 0..30), after in vec(filler(), 0..30), kind in any::<u8>(),
        protocol in 0_u8..6, name in prop_oneof![Just("m.pkl"), Just("m.bin"), Just("data/0")],
    ) {
        let bytes = Pickle::protocol(protocol).bytes(&before.concat()).bytes(&way(kind)).bytes(&after.concat()).stop();
        for file in [bytes.clone(), zip(&[(name, &bytes)], Packing::Deflated)] {
            let report = scan(name, &file);
            prop_assert!(report.globals.contains(&"os.system".to_owned()), "{report:#?}");
            prop_assert_eq!(report.verdict(), Verdict::Unsafe);
        }
    }

    #[test]
    fn bytes_changed_behind_the_payload_do_not_hide_it(
        kind in any::<u8>(), tail in vec(any::<u8>(), 0..200), protocol in 2_u8..6,
    ) {
        let bytes = Pickle::protocol(protocol).bytes(&way(kind)).bytes(&tail).0;
        let report = scan("m.pkl", &bytes);
        prop_assert!(report.globals.contains(&"os.system".to_owned()), "{report:#?}");
        prop_assert!(report.verdict() >= Verdict::Error);
    }

    #[test]
    fn a_mutated_payload_is_seen_or_broken(at in 0_usize..80, byte in any::<u8>(), kind in any::<u8>()) {
        let mut bytes = Pickle::protocol(4).bytes(&way(kind)).stop();
        let at = at % bytes.len();
        bytes[at] = byte;
        let report = scan("m.pkl", &bytes);
        // Python's own view: a global is named where these bytes are left whole.
        let is_whole = bytes.windows(8).any(|window| window == b"\x8c\x06system") || report.globals.contains(&"os.system".to_owned());
        prop_assert!(!report.findings.is_empty() || !is_whole, "{bytes:?} {report:#?}");
    }

    #[test]
    fn anything_is_scanned_without_a_crash(bytes in vec(any::<u8>(), 0..3_000), head in 0_usize..12) {
        let heads: [&[u8]; 12] = [
            b"", b"\x80\x04", b"PK\x03\x04", b"\x93NUMPY\x01\0", b"GGUF\x03\0\0\0", b"\x1f\x8b\x08",
            b"\x89HDF\r\n\x1a\n", b"\x10\0\0\0\0\0\0\0{", b"\x08\x07\x12\x01", b"{\"a\":", b"\x78\x9c",
            b"PK\x05\x06",
        ];
        let file = [heads[head], &bytes].concat();
        for name in ["m.pkl", "m.safetensors", "m.onnx", "x"] {
            let report = scan(name, &file);
            prop_assert_eq!(report.size_bytes, file.len() as u64);
        }
    }
}
