//! Laws that hold for any body of any protocol.

use atalaya_model::{Constraints, Redaction, Span};
use atalaya_wire::json::{JsonLimits, parse};
use atalaya_wire::{ParseLimits, RequestHead, protocols};
use proptest::prelude::*;

use crate::cases::assert_spans_hold;
use crate::json::any_json;

/// A body that has the members which protocols look at, with anything in them.
fn any_body() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        Just("messages"),
        Just("system"),
        Just("tools"),
        Just("input"),
        Just("prompt"),
        Just("content"),
        Just("contents"),
        Just("options"),
        Just("max_tokens"),
        Just("extra"),
        Just("temperature"),
        Just("instructions"),
        Just("generationConfig"),
        Just("params"),
    ];
    let block = (any_json(), any::<String>(), any::<bool>()).prop_map(|(value, text, is_call)| {
        let arguments = value.to_string();
        if is_call {
            serde_json::json!({"role": "assistant", "content": null,
                "tool_calls": [{"id": "c1", "type": "function",
                    "function": {"name": "f", "arguments": arguments}}]})
        } else {
            serde_json::json!({"role": "user", "content": [{"type": "text", "text": text}, value]})
        }
    });
    let messages = prop::collection::vec(block, 0..4);
    (
        prop::collection::hash_map(member, any_json(), 0..6),
        messages,
        any::<bool>(),
    )
        .prop_map(|(members, messages, keep)| {
            let mut body: serde_json::Map<String, serde_json::Value> = members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect();
            if keep {
                body.insert("messages".into(), messages.into());
            }
            serde_json::Value::Object(body).to_string()
        })
}

proptest! {
    #[test]
    fn no_body_makes_a_protocol_panic_and_spans_hold(body in any_body()) {
        for protocol in protocols::ALL {
            if let Ok(call) = protocol.parse(&RequestHead::default(), body.as_bytes(), &ParseLimits::default()) {
                assert_spans_hold(body.as_bytes(), &call, protocol.name());
            }
        }
    }

    #[test]
    fn nothing_to_constrain_changes_nothing(body in any_body()) {
        for protocol in protocols::ALL {
            let Ok(call) = protocol.parse(&RequestHead::default(), body.as_bytes(), &ParseLimits::default()) else { continue };
            let none = Constraints::default();
            let (same, applied) = protocol
                .constrain(body.as_bytes(), &call, &none, &[])
                .expect("an unchanged body is valid");
            prop_assert_eq!(same, body.as_bytes());
            prop_assert!(applied.is_empty());
        }
    }

    #[test]
    fn a_weakened_body_is_valid_and_read_again(body in any_body(), cut in 0usize..30, size in 1usize..20) {
        let constraints = Constraints {
            max_output_tokens: Some(100),
            temperature_max: Some(0.25),
            safety_message: Some("Be \"careful\"\n".into()),
            redact: Vec::new(),
            drop_tools: true,
        };
        for protocol in protocols::ALL {
            let Ok(call) = protocol.parse(&RequestHead::default(), body.as_bytes(), &ParseLimits::default()) else { continue };
            let redactions: Vec<Redaction> = (0..call.segments.len())
                .map(|segment| Redaction {
                    segment: u32::try_from(segment).expect("few"),
                    span: Span::new(cut, cut + size),
                    replacement: "[R\"\\]".into(),
                })
                .collect();
            // Redacted keys can collide: then the call is refused, never forwarded as it was.
            let Ok((weaker, _)) = protocol.constrain(body.as_bytes(), &call, &constraints, &redactions)
                else { continue };
            prop_assert!(parse(&weaker, JsonLimits::default()).is_ok());
            prop_assert!(protocol.parse(&RequestHead::default(), &weaker, &ParseLimits::default()).is_ok());
        }
    }
}
