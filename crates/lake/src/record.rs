//! What a journal record is about, told from a few of its bytes.
//!
//! A record is a JSON object whose first key is `"$table"`. Reading only the markers, and not the
//! object, keeps following the journal cheap; the row is decoded once, when it is complete.
//! Searching for a key with its quotes and colon is safe: inside a JSON string, quotes are
//! escaped, and after one comes no colon.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The decision log's table.
pub(crate) const DECISIONS: &str = "AIGuardrailDecisions";

static SETTLES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"$settles\""));
static DECISION_ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"DecisionId\""));
static TABLE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"$table\""));
static EVENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"$event\""));
static UPSTREAM_STATUS: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(b"\"UpstreamStatus\""));
static UPSTREAM_LATENCY: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(b"\"UpstreamLatencyMs\""));

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A call was decided.
    Decision { id: &'a str },
    /// How the call ended.
    Settlement { id: &'a str, reached_upstream: bool },
    /// A row of another table.
    Row { table: &'a str },
    /// A process opened the journal: all before it are over.
    Opened,
    /// Nothing for a table.
    Other,
    /// Names no table, or lacks its id.
    Unknown,
}

/// Classifies a record.
pub(crate) fn kind(payload: &[u8]) -> Kind<'_> {
    let Some(table) = text_after(&TABLE, payload) else {
        return Kind::Unknown;
    };
    if table == atalaya_journal::OWN_TABLE {
        return match text_after(&EVENT, payload) {
            Some("opened") => Kind::Opened,
            _ => Kind::Other,
        };
    }
    if table != DECISIONS {
        return Kind::Row { table };
    }
    if let Some(id) = text_after(&SETTLES, payload) {
        let reached_upstream =
            has_value(&UPSTREAM_STATUS, payload) || has_value(&UPSTREAM_LATENCY, payload);
        return Kind::Settlement {
            id,
            reached_upstream,
        };
    }
    text_after(&DECISION_ID, payload).map_or(Kind::Unknown, |id| Kind::Decision { id })
}

/// The bytes after a key and its colon. A value that equals the key is not followed by a colon.
fn value_after<'a>(key: &Finder<'_>, payload: &'a [u8]) -> Option<&'a [u8]> {
    key.find_iter(payload).find_map(|at| {
        let rest = payload.get(at + key.needle().len()..)?;
        Some(
            rest.trim_ascii_start()
                .strip_prefix(b":")?
                .trim_ascii_start(),
        )
    })
}

/// The string after a key; ids and table names hold no escapes.
fn text_after<'a>(key: &Finder<'_>, payload: &'a [u8]) -> Option<&'a str> {
    let rest = value_after(key, payload)?.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    std::str::from_utf8(&rest[..end]).ok()
}

fn has_value(key: &Finder<'_>, payload: &[u8]) -> bool {
    value_after(key, payload).is_some_and(|value| !value.starts_with(b"null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (payload, expected) in [
            (
                r#"{"$table":"AIGuardrailDecisions","TimeGenerated":"x","DecisionId":"d1"}"#,
                Kind::Decision { id: "d1" },
            ),
            (
                r#"{"$table":"AIGuardrailDecisions","PromptText":"\"$settles\":\"x\"","DecisionId":"d1"}"#,
                Kind::Decision { id: "d1" },
            ),
            (
                r#"{"$table":"AIGuardrailDecisions","RequestId":"DecisionId","UserId":"$settles","DecisionId":"d1"}"#,
                Kind::Decision { id: "d1" },
            ),
            (
                r#"{"$table":"AIGuardrailDecisions","$settles":"d1","UpstreamStatus":200}"#,
                Kind::Settlement {
                    id: "d1",
                    reached_upstream: true,
                },
            ),
            (
                r#"{"$table": "AIGuardrailDecisions", "$settles": "d1", "UpstreamStatus": null}"#,
                Kind::Settlement {
                    id: "d1",
                    reached_upstream: false,
                },
            ),
            (
                r#"{"$table":"SecurityAlert","SystemAlertId":"a"}"#,
                Kind::Row {
                    table: "SecurityAlert",
                },
            ),
            (r#"{"$table":"$journal","$event":"opened"}"#, Kind::Opened),
            (r#"{"$table":"$journal","$event":"outage"}"#, Kind::Other),
            (r#"{"$table":"AIGuardrailDecisions"}"#, Kind::Unknown),
            (r#"{"$table":7}"#, Kind::Unknown),
            ("", Kind::Unknown),
        ] {
            assert_eq!(kind(payload.as_bytes()), expected, "{payload}");
        }
    }
}
