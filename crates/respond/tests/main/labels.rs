//! From a label to the allowlist, and what the allowlist then keeps quiet.

use std::time::Duration;

use atalaya_model::{Decision, Timestamp};
use atalaya_respond::ladder::Seen;
use atalaya_respond::review::{self, Label, ReviewItem};
use atalaya_respond::tuning::allow::{Allowlist, Entry};
use atalaya_store::SqliteStore;

use crate::world;

const DAY: Duration = Duration::from_secs(86_400);

fn item(content: &str) -> ReviewItem {
    ReviewItem {
        subject: "decision:d1".into(),
        record_id: "d1".into(),
        rules: vec!["prompt_injection.x".into()],
        content_sha256: content.into(),
        added: Timestamp(1),
        ..ReviewItem::default()
    }
}

async fn allow(
    store: &SqliteStore,
    item: &ReviewItem,
    label: Label,
    reason: &str,
) -> Result<Entry, String> {
    let labelled = review::label(store, item, label, (None, ""), ("ann", Timestamp(5)))
        .await
        .unwrap();
    let allowed = review::allow(store, &labelled, (30 * DAY, reason), ("ann", Timestamp(5)));
    allowed.await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_false_positive_becomes_an_entry_with_author_reason_and_end() {
    let store = SqliteStore::in_memory().unwrap();
    // A runbook put it into the queue before, and did not know the content.
    review::add(&store, &item("")).await.unwrap();
    let entry = allow(
        &store,
        &item("c0ffee"),
        Label::False,
        "a quiz about injections",
    )
    .await
    .unwrap();
    assert_eq!(
        (entry.owner.as_str(), entry.fingerprint.as_str()),
        ("ann", "c0ffee")
    );
    assert_eq!(entry.expires.0 - entry.created.0, 30 * 86_400_000_000);
    let allowed = Allowlist::load(&store).await.unwrap();
    assert!(allowed.knows_content(Timestamp(6)));
    assert!(!allowed.knows_content(entry.expires), "it ends");
}

#[tokio::test]
async fn attacks_and_what_has_no_fingerprint_or_reason_are_not_allowed() {
    let store = SqliteStore::in_memory().unwrap();
    for (content, label, reason, why) in [
        ("c0ffee", Label::True, "x", "attack"),
        ("c0ffee", Label::False, " ", "reason"),
    ] {
        let error = allow(&store, &item(content), label, reason)
            .await
            .unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let store = SqliteStore::in_memory().unwrap();
    let error = allow(&store, &item(""), Label::Benign, "x")
        .await
        .unwrap_err();
    assert!(error.contains("fingerprint"), "{error}");
}

fn seen(id: &str, content: &str, patterns: &[&str]) -> Seen {
    Seen {
        record_id: id.into(),
        time: Timestamp(1),
        decision: Decision::Block,
        score: 90,
        detection: String::new(),
        techniques: vec![],
        patterns: patterns.iter().map(|p| (*p).to_owned()).collect(),
        content_sha256: content.into(),
        route: String::new(),
        entities: vec![],
    }
}

#[test]
fn an_alert_is_quiet_only_if_every_record_behind_it_is_allowed() {
    let entry = |fingerprint: &str, pattern: &str| Entry {
        entry_id: format!("{fingerprint}{pattern}"),
        fingerprint: fingerprint.into(),
        pattern: pattern.into(),
        created: Timestamp(0),
        expires: Timestamp(100),
        ..Entry::default()
    };
    let allowed = Allowlist::new(vec![entry("aa", ""), entry("", "p1")]);
    let mut alert = world::alert("a1", "ann", "AML.T0051");
    alert.count = 2;
    let quiet =
        |records: &[Seen], at: i64| allowed.of_records(&alert, records, Timestamp(at)).is_some();
    assert!(quiet(
        &[seen("d1", "aa", &["p9"]), seen("d2", "bb", &["p1"])],
        9
    ));
    assert!(!quiet(
        &[seen("d1", "aa", &[]), seen("d2", "bb", &["p1", "p9"])],
        9
    ));
    assert!(!quiet(&[seen("d1", "aa", &[]), seen("d2", "cc", &[])], 9));
    assert!(
        !quiet(&[seen("d1", "aa", &[])], 9),
        "one of two is not known"
    );
    assert!(!quiet(&[], 9));
    assert!(
        !quiet(&[seen("d1", "aa", &[]), seen("d2", "aa", &[])], 100),
        "it ended"
    );
}
