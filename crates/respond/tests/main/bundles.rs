//! Evidence bundles: what is in them, and that no byte of them can change.

use std::collections::{BTreeMap, HashSet};

use atalaya_journal::{Journal, JournalConfig};
use atalaya_model::Timestamp;
use atalaya_respond::evidence::{
    Hold, Manifest, Selection, SigningKey, VerifyError, active_holds, build, check_custody,
    collect, record_custody, release, set_hold, verify,
};
use atalaya_store::{DocumentStore as _, SqliteStore};

fn journal(folder: &std::path::Path, records: usize) {
    let (journal, _) = Journal::open(JournalConfig::new(folder)).unwrap();
    for n in 0..records {
        let caller = if n % 3 == 0 { "mallory" } else { "alice" };
        let row = format!(
            "{{\"$table\":\"AIGuardrailDecisions\",\"DecisionId\":\"d{n}\",\"UserId\":\"{caller}\"}}"
        );
        journal.append(row.into_bytes()).wait().unwrap();
    }
    let settles =
        "{\"$table\":\"AIGuardrailDecisions\",\"$settles\":\"d4\",\"Outcome\":\"answered\"}";
    journal.append(settles.as_bytes().to_vec()).wait().unwrap();
    journal.close();
}

fn bundle(folder: &std::path::Path, key: &SigningKey) -> Vec<u8> {
    journal(folder, 12);
    let selection = Selection {
        ids: HashSet::from(["d4".to_owned()]),
        callers: HashSet::from(["mallory".to_owned()]),
        ..Selection::default()
    };
    let collected = collect(folder, &selection).unwrap();
    // Four of mallory, d4 and how it ended.
    assert_eq!(collected.links.len(), 6);
    assert!(collected.bad.is_none());
    let lines: Vec<String> = collected
        .links
        .iter()
        .map(|link| serde_json::to_string(link).unwrap())
        .collect();
    let (head_seq, head_hash) = collected.head.unwrap();
    let manifest = Manifest {
        bundle_id: "b1".into(),
        head_seq,
        head_hash,
        records: lines.len() as u64,
        chain_is_good: true,
        chain_records_verified: collected.verified,
        ..Manifest::default()
    };
    let files = BTreeMap::from([
        (
            "records.jsonl".to_owned(),
            (lines.join("\n") + "\n").into_bytes(),
        ),
        ("alerts.jsonl".to_owned(), b"{}\n".to_vec()),
        ("rules/r1.yml".to_owned(), b"id: r1\n".to_vec()),
    ]);
    build(files, manifest, key).unwrap()
}

#[test]
fn one_byte_anywhere_makes_a_bundle_fail() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    let bundle = bundle(folder.path(), &key);
    let good = verify(&bundle, Some(&key.public_hex())).unwrap();
    assert_eq!((good.links, good.key_was_named), (6, true));
    for at in 0..bundle.len() {
        for bit in [0, 5] {
            let mut changed = bundle.clone();
            changed[at] ^= 1 << bit;
            assert!(verify(&changed, None).is_err(), "byte {at}, bit {bit}");
        }
    }
    for changed in [
        bundle[..bundle.len() - 512].to_vec(),
        [bundle.clone(), vec![0; 512]].concat(),
        Vec::new(),
        vec![0; 1_024],
    ] {
        assert!(verify(&changed, None).is_err());
    }
}

#[test]
fn somebody_elses_signature_is_seen_when_the_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (
        SigningKey::generate().unwrap(),
        SigningKey::generate().unwrap(),
    );
    let bundle = bundle(folder.path(), &key);
    assert!(!verify(&bundle, None).unwrap().key_was_named);
    let error = verify(&bundle, Some(&other.public_hex())).unwrap_err();
    assert!(matches!(error, VerifyError::OtherKey { .. }));
}

#[test]
fn a_record_that_does_not_hang_in_the_chain_is_seen_also_when_it_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    journal(folder.path(), 5);
    let ids = HashSet::from(["d1".to_owned(), "d2".to_owned()]);
    let selection = Selection {
        ids,
        ..Selection::default()
    };
    let collected = collect(folder.path(), &selection).unwrap();
    let mut links = collected.links;
    links[0].payload = links[0].payload.replace("alice", "eve");
    let lines: Vec<String> = links
        .iter()
        .map(|l| serde_json::to_string(l).unwrap())
        .collect();
    let (head_seq, head_hash) = collected.head.unwrap();
    let manifest = Manifest {
        head_seq,
        head_hash,
        records: 2,
        ..Manifest::default()
    };
    let files = BTreeMap::from([("records.jsonl".to_owned(), lines.join("\n").into_bytes())]);
    let bundle = build(files, manifest, &key).unwrap();
    assert!(matches!(verify(&bundle, None), Err(VerifyError::Chain(_))));
}

#[test]
fn the_key_is_made_once_and_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.key");
    let one = SigningKey::open(&path).unwrap().public_hex();
    assert_eq!(one, SigningKey::open(&path).unwrap().public_hex());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&path, b"nonsense").unwrap();
    assert!(SigningKey::open(&path).is_err());
}

#[tokio::test]
async fn custody_is_a_chain_and_holds_are_in_it() {
    let store = SqliteStore::in_memory().unwrap();
    let hold = Hold {
        hold_id: "h1".into(),
        reason: "case 7".into(),
        author: "counsel".into(),
        created: Timestamp(5),
        ..Hold::default()
    };
    set_hold(&store, &hold).await.unwrap();
    set_hold(&store, &hold).await.unwrap();
    let what = ("ann", "created", "b1");
    record_custody(
        &store,
        what,
        &serde_json::json!({"sha256": "00"}),
        Timestamp(6),
    )
    .await
    .unwrap();
    assert_eq!(active_holds(&store).await.unwrap(), [hold]);
    assert!(
        release(&store, "h1", "counsel", Timestamp(7))
            .await
            .unwrap()
    );
    assert!(
        !release(&store, "h1", "counsel", Timestamp(8))
            .await
            .unwrap()
    );
    assert!(active_holds(&store).await.unwrap().is_empty());
    let log = store.custody("").await.unwrap();
    let actions: Vec<&str> = log.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["hold_set", "created", "hold_released"]);
    assert_eq!(check_custody(&log), None);
    for change in 0..3 {
        let mut changed = log.clone();
        match change {
            0 => changed[1].actor = "eve".into(),
            1 => drop(changed.remove(1)),
            _ => changed.swap(0, 1),
        }
        assert!(check_custody(&changed).is_some());
    }
}
