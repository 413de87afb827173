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

/// Entries of a tar archive as they stand: name, and all bytes of header and content.
fn entries(bundle: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while bundle[at] != 0 {
        let text = |from: usize, to: usize| {
            let field = &bundle[at + from..at + to];
            let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
            String::from_utf8(field[..end].to_vec()).unwrap()
        };
        let size = usize::from_str_radix(&text(124, 135), 8).unwrap();
        let end = (at + 512 + size).next_multiple_of(512);
        found.push((text(0, 100), bundle[at..end].to_vec()));
        at = end;
    }
    found
}

fn joined(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out: Vec<u8> = entries
        .iter()
        .flat_map(|(_, bytes)| bytes.clone())
        .collect();
    out.resize(out.len() + 1_024, 0);
    out
}

#[test]
fn a_bundle_that_was_put_together_otherwise_fails() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = SigningKey::generate().unwrap();
    let (one, other) = (bundle(one.path(), &key), bundle(other.path(), &key));
    let key = key.public_hex();
    let good = entries(&one);
    assert_eq!(joined(&good), one, "the test reads archives as they are");
    assert!(verify(&other, Some(&key)).is_ok());
    let of = |name: &str| good.iter().position(|(n, _)| n == name).unwrap();
    // Cut at any block, and at any byte of the last ones.
    for length in (0..one.len())
        .step_by(512)
        .chain(one.len() - 600..one.len())
    {
        assert!(
            verify(&one[..length], Some(&key)).is_err(),
            "{length} bytes"
        );
    }
    for added in [1, 511, 512, 1_024, 10_240] {
        let longer = [one.clone(), vec![0; added]].concat();
        assert!(verify(&longer, Some(&key)).is_err(), "{added} more");
    }
    for a in 0..good.len() {
        let mut fewer = good.clone();
        let (name, _) = fewer.remove(a);
        assert!(
            verify(&joined(&fewer), Some(&key)).is_err(),
            "without {name}"
        );
        let mut twice = good.clone();
        twice.insert(a, good[a].clone());
        assert!(verify(&joined(&twice), Some(&key)).is_err(), "{name} twice");
        for b in 0..a {
            let mut swapped = good.clone();
            swapped.swap(a, b);
            assert!(
                verify(&joined(&swapped), Some(&key)).is_err(),
                "{name} and {b} swapped"
            );
        }
    }
    // Parts of another good bundle of the same key: journals have chains of their own.
    let theirs = entries(&other);
    for names in [
        &["manifest.json"][..],
        &["manifest.sig"],
        &["records.jsonl"],
        &["manifest.json", "manifest.sig"],
        &["manifest.sig", "records.jsonl"],
    ] {
        let mut mixed = good.clone();
        for name in names {
            mixed[of(name)] = theirs[of(name)].clone();
        }
        assert!(
            verify(&joined(&mixed), Some(&key)).is_err(),
            "{names:?} of another"
        );
    }
    // Another file, and the same under another name.
    let mut more = good.clone();
    let extra = good[of("rules/r1.yml")].1.clone();
    for name in ["rules/r2.yml", "../r1.yml", "RULES/r1.yml"] {
        let mut entry = extra.clone();
        entry[..100].fill(0);
        entry[..name.len()].copy_from_slice(name.as_bytes());
        entry[148..156].fill(b' ');
        let sum: u32 = entry[..512].iter().map(|b| u32::from(*b)).sum();
        entry[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        more.push((name.to_owned(), entry));
        more.sort();
        assert!(verify(&joined(&more), Some(&key)).is_err(), "{name}");
    }
}

#[test]
fn a_bundle_signed_again_by_another_key_fails_for_who_knows_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (
        SigningKey::generate().unwrap(),
        SigningKey::generate().unwrap(),
    );
    let good = bundle(folder.path(), &ours);
    // What an attacker can do who has all files but not the key: sign them again.
    let again = tempfile::tempdir().unwrap();
    let forged = bundle(again.path(), &theirs);
    assert!(verify(&forged, None).is_ok(), "somebody signed it");
    assert!(verify(&forged, Some(&ours.public_hex())).is_err());
    // Or put the known public key beside the other signature.
    let (real, fake) = (entries(&good), entries(&forged));
    let mut mixed = fake.clone();
    let at = mixed
        .iter()
        .position(|(name, _)| name == "public.key")
        .unwrap();
    mixed[at] = real[at].clone();
    assert!(verify(&joined(&mixed), Some(&ours.public_hex())).is_err());
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
