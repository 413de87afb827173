//! What a caller is told of its limits, in the headers that its SDK knows.
//!
//! Anthropic's protocols have their own names and RFC 3339 times; everything else gets the names
//! that OpenAI made common, with durations. `Retry-After` (RFC 9110) is understood by all.

use std::time::Duration;

use atalaya_access::{Meter, RateExceeded, Remaining};
use atalaya_model::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Adds what is left of a caller's limits.
pub(crate) fn add_remaining(
    headers: &mut HeaderMap,
    protocol: &str,
    remaining: &[Remaining],
    now: Timestamp,
) {
    for (what, meters) in [
        (
            "requests",
            [Meter::RequestsPerMinute, Meter::RequestsPerDay],
        ),
        ("tokens", [Meter::TokensPerMinute, Meter::TokensPerDay]),
    ] {
        let of_kind = remaining.iter().filter(|left| meters.contains(&left.meter));
        // The one that will be reached first.
        if let Some(left) = of_kind.min_by_key(|left| left.remaining) {
            add(headers, protocol, what, left, now);
        }
    }
}

fn add(headers: &mut HeaderMap, protocol: &str, what: &str, left: &Remaining, now: Timestamp) {
    if protocol.starts_with("anthropic.") {
        let reset = Timestamp(now.0.saturating_add(left.reset_us)).to_rfc3339();
        for (name, value) in [
            ("limit", left.limit.to_string()),
            ("remaining", left.remaining.to_string()),
            ("reset", reset),
        ] {
            insert(
                headers,
                &format!("anthropic-ratelimit-{what}-{name}"),
                &value,
            );
        }
        return;
    }
    let reset = duration(Duration::from_micros(
        u64::try_from(left.reset_us).unwrap_or(0),
    ));
    for (name, value) in [
        ("limit", left.limit.to_string()),
        ("remaining", left.remaining.to_string()),
        ("reset", reset),
    ] {
        insert(headers, &format!("x-ratelimit-{name}-{what}"), &value);
    }
}

/// Adds when the call has a chance again.
pub(crate) fn add_retry_after(headers: &mut HeaderMap, exceeded: &RateExceeded) {
    let micros = u64::try_from(exceeded.retry_after_us).unwrap_or(0);
    let seconds = micros.div_ceil(1_000_000).max(1);
    insert(headers, "retry-after", &seconds.to_string());
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::try_from(name);
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

/// As OpenAI writes it: `1s`, `6m0s`, `20ms`.
fn duration(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!(
            "{}h{}m{}s",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        ),
    }
}
