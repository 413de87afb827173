//! The JSON reader: what it refuses, and that it agrees with another parser on the rest.

use atalaya_wire::json::{JsonLimits, JsonProblem, Kind, Value, parse};
use proptest::prelude::*;

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    use JsonProblem::{DuplicateKey, LoneSurrogate, Syntax, TooDeep, Utf8};
    let many_keys: String = (0..40).map(|n| format!("\"k{n}\":1,")).collect();
    let cases: Vec<(Vec<u8>, JsonProblem)> = vec![
        (b"".to_vec(), Syntax),
        (b"nul".to_vec(), Syntax),
        (b"{} {}".to_vec(), Syntax),
        (b"[1,]".to_vec(), Syntax),
        (b"[,1]".to_vec(), Syntax),
        (b"{\"a\":1,}".to_vec(), Syntax),
        (b"{a:1}".to_vec(), Syntax),
        (b"{'a':1}".to_vec(), Syntax),
        (b"[1 2]".to_vec(), Syntax),
        (b"// x\n1".to_vec(), Syntax),
        (b"[01]".to_vec(), Syntax),
        (b"[+1]".to_vec(), Syntax),
        (b"[.5]".to_vec(), Syntax),
        (b"[5.]".to_vec(), Syntax),
        (b"[1e]".to_vec(), Syntax),
        (b"[0x10]".to_vec(), Syntax),
        (b"[NaN]".to_vec(), Syntax),
        (b"[Infinity]".to_vec(), Syntax),
        (b"[\"\\x41\"]".to_vec(), Syntax),
        (b"[\"\\u12\"]".to_vec(), Syntax),
        (b"[\"a\nb\"]".to_vec(), Syntax),
        (b"[\"0123456789abcdef0123456789\tabcdef\"]".to_vec(), Syntax),
        (b"[\"open".to_vec(), Syntax),
        (b"\xef\xbb\xbf{}".to_vec(), Syntax),
        (b"[\"\xff\"]".to_vec(), Utf8),
        (b"[\"\xc0\xaf\"]".to_vec(), Utf8),
        (b"[\"\xed\xa0\x80\"]".to_vec(), Utf8),
        (b"[\"\\ud800\"]".to_vec(), LoneSurrogate),
        (b"[\"\\udc00\\ud800\"]".to_vec(), LoneSurrogate),
        (b"[\"\\ud800\\u0041\"]".to_vec(), LoneSurrogate),
        (b"{\"a\":1,\"a\":2}".to_vec(), DuplicateKey),
        (b"{\"a\":1,\"\\u0061\":2}".to_vec(), DuplicateKey),
        (
            b"[{\"x\":{\"a\":1,\"b\":2,\"a\":3}}]".to_vec(),
            DuplicateKey,
        ),
        (
            format!("{{{many_keys}\"k7\":2}}").into_bytes(),
            DuplicateKey,
        ),
        (vec![b'['; 1_000_000], TooDeep),
    ];
    for (body, problem) in cases {
        let error = parse(&body, JsonLimits::default()).expect_err("refused");
        assert_eq!(
            error.problem,
            problem,
            "{:?}",
            String::from_utf8_lossy(&body[..body.len().min(40)])
        );
        assert!(error.offset <= body.len());
    }
}

#[test]
fn more_values_than_the_limit_are_refused() {
    let body = format!("[{}1]", "1,".repeat(500_000));
    let error = parse(body.as_bytes(), JsonLimits::default()).expect_err("refused");
    assert_eq!(error.problem, JsonProblem::TooManyValues);
}

#[test]
fn same_keys_in_different_objects_are_fine() {
    let body = br#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#;
    assert!(parse(body, JsonLimits::default()).is_ok());
}

fn same(ours: Value<'_, '_>, theirs: &serde_json::Value) -> bool {
    match theirs {
        serde_json::Value::Null => ours.kind() == Kind::Null,
        serde_json::Value::Bool(value) => ours.as_bool() == Some(*value),
        serde_json::Value::Number(value) => {
            ours.raw() == value.to_string() || ours.as_f64() == value.as_f64()
        }
        serde_json::Value::String(value) => ours.as_str().as_deref() == Some(value.as_str()),
        serde_json::Value::Array(values) => {
            ours.children().count() == values.len()
                && ours
                    .children()
                    .zip(values)
                    .all(|(ours, theirs)| same(ours, theirs))
        }
        serde_json::Value::Object(members) => {
            ours.children().count() == members.len()
                && ours
                    .children()
                    .zip(members)
                    .all(|(ours, (key, theirs))| ours.key() == *key && same(ours, theirs))
        }
    }
}

pub(crate) fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-1e9..1e9f64).prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_serde_json(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.expect("prints");
        let document = parse(text.as_bytes(), JsonLimits::default()).expect("valid");
        prop_assert!(same(document.root(), &value));
    }

    #[test]
    fn accepts_nothing_that_serde_json_refuses(bytes in "[\\[\\]{}\",:\\\\u0-9a-f .eE+-]{0,40}") {
        if parse(bytes.as_bytes(), JsonLimits::default()).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&bytes).is_ok());
        }
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, JsonLimits::default());
    }
}
