//! What people, runbooks and the command line do to control state, and when it holds.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use atalaya_access::{ApprovalStatus, Effect, Subject, SubjectKind};
use atalaya_control::{
    Control, ControlError, NewApproval, NewEnforcement, NewKey, Rotation, Settings,
};
use atalaya_model::Timestamp;
use atalaya_policy::Policy;
use atalaya_store::{AdminRole, SqliteStore};

async fn open(path: &std::path::Path) -> Arc<Control> {
    let store = SqliteStore::open(path).unwrap();
    Control::open(Arc::new(store), Settings::default())
        .await
        .unwrap()
}

fn block(kind: SubjectKind, value: &str) -> NewEnforcement {
    NewEnforcement {
        subject: Subject {
            kind,
            value: value.into(),
        },
        effect: Effect::Block,
        reason: "test".into(),
        expires_in_s: None,
        case_id: None,
    }
}

fn holds(control: &Control, kind: SubjectKind, value: &str) -> usize {
    let mut out = Vec::new();
    let access = control.access();
    let snapshot = access.snapshot();
    match value.parse() {
        Ok(address) if kind == SubjectKind::Address => {
            snapshot.against_address(address, Timestamp::now(), &mut out);
        }
        _ => snapshot.against(kind, value, Timestamp::now(), &mut out),
    }
    out.len()
}

#[tokio::test]
async fn what_another_process_does_holds_within_a_tenth_of_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let node = open(&path).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let watching = tokio::spawn(Arc::clone(&node).watch(async {
        let _ = stopped.await;
    }));
    let other = open(&path).await;
    let made = other
        .enforce(block(SubjectKind::Caller, "mallory"), "ana")
        .await
        .unwrap();
    let waiting = Instant::now();
    while holds(&node, SubjectKind::Caller, "mallory") == 0 {
        assert!(waiting.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!("noticed after {:?}", waiting.elapsed());
    node.lift(&made.id, "ana").await.unwrap();
    assert_eq!(holds(&node, SubjectKind::Caller, "mallory"), 0);
    assert!(matches!(
        node.lift(&made.id, "ana").await,
        Err(ControlError::Conflict(_))
    ));
    drop(stop);
    watching.await.unwrap();
}

#[tokio::test]
async fn subjects_are_matched_as_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(&folder.path().join("control.db")).await;
    for (kind, value) in [
        (SubjectKind::Address, "192.0.2.0/24"),
        (SubjectKind::Model, "gpt-4*"),
        (SubjectKind::Tool, "send_mail"),
    ] {
        control.enforce(block(kind, value), "ana").await.unwrap();
    }
    assert_eq!(holds(&control, SubjectKind::Address, "192.0.2.77"), 1);
    assert_eq!(holds(&control, SubjectKind::Address, "192.0.3.77"), 0);
    assert_eq!(holds(&control, SubjectKind::Model, "gpt-4o"), 1);
    assert_eq!(holds(&control, SubjectKind::Model, "gpt-5"), 0);
    assert_eq!(holds(&control, SubjectKind::Tool, "send_mail"), 1);
    for wrong in [
        block(SubjectKind::Address, "somewhere"),
        block(SubjectKind::Caller, ""),
        block(SubjectKind::Caller, "*"),
    ] {
        let refused = control.enforce(wrong, "ana").await;
        assert!(
            matches!(refused, Err(ControlError::Invalid { .. })),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn an_enforcement_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(&folder.path().join("control.db")).await;
    let new = NewEnforcement {
        expires_in_s: Some(1),
        ..block(SubjectKind::Session, "s-1")
    };
    control.enforce(new, "runbook:contain").await.unwrap();
    assert_eq!(holds(&control, SubjectKind::Session, "s-1"), 1);
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(holds(&control, SubjectKind::Session, "s-1"), 0);
    assert_eq!(control.enforcements(true).await.unwrap().len(), 0);
    assert_eq!(control.enforcements(false).await.unwrap().len(), 1);
}

#[tokio::test]
async fn keys_are_rotated_with_an_overlap_and_revoked_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let control = open(&path).await;
    let new = NewKey {
        name: "batch job".into(),
        ..NewKey::default()
    };
    let first = control.create_key(new, "ana").await.unwrap();
    let valid = |control: &Control, secret: &str| {
        control
            .access()
            .snapshot()
            .key(secret.as_bytes(), Timestamp::now())
            .is_some()
    };
    assert!(valid(&control, &first.secret));
    assert!(!valid(&control, &format!("{}x", first.secret)));
    let overlap = Rotation { overlap_s: 3_600 };
    let second = control
        .rotate_key(&first.key.id, overlap, "ana")
        .await
        .unwrap();
    assert!(valid(&control, &first.secret) && valid(&control, &second.secret));
    let third = control
        .rotate_key(&first.key.id, Rotation::default(), "ana")
        .await
        .unwrap();
    assert!(!valid(&control, &first.secret) && !valid(&control, &second.secret));
    assert!(valid(&control, &third.secret));
    let database = std::fs::read(&path).unwrap();
    let wal = std::fs::read(path.with_extension("db-wal")).unwrap_or_default();
    for secret in [&first.secret, &second.secret, &third.secret] {
        let is_in = |bytes: &[u8]| {
            bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        };
        assert!(
            !is_in(&database) && !is_in(&wal),
            "the secret itself was kept"
        );
    }
    control
        .revoke_key(&first.key.id, "leaked", "ana")
        .await
        .unwrap();
    assert!(!valid(&control, &third.secret));
}

#[tokio::test]
async fn policies_are_applied_rolled_back_and_adopted_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let control = open(&path).await;
    let text = |revision: &str| format!("version: 1\nid: own\nrevision: \"{revision}\"\n");
    control.adopt_policy(None).await.unwrap();
    assert_eq!(control.policy().hash(), Policy::builtin().hash());
    control.adopt_policy(Some(&text("1"))).await.unwrap();
    assert_eq!(control.policy().version(), "1");
    control.apply_policy(&text("2"), "ana", "").await.unwrap();
    let wrong = control
        .apply_policy("version: 1\nid: own\nmode: loud\n", "ana", "")
        .await;
    assert!(matches!(wrong, Err(ControlError::Policy { .. })));
    assert_eq!(control.policy().version(), "2");
    // The file has not changed: what was applied stays, also over a restart.
    let control = open(&path).await;
    control.adopt_policy(Some(&text("1"))).await.unwrap();
    assert_eq!(control.policy().version(), "2");
    control.roll_back_policy(None, "ana").await.unwrap();
    assert_eq!(control.policy().version(), "1");
    control.roll_back_policy(Some(1), "ana").await.unwrap();
    assert_eq!(control.policy().hash(), Policy::builtin().hash());
    control.adopt_policy(Some(&text("3"))).await.unwrap();
    assert_eq!(control.policy().version(), "3");
    let authors: Vec<String> = control
        .policy_history(10)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.author)
        .collect();
    assert_eq!(authors, ["file", "ana", "ana", "ana", "file", "built-in"]);
}

#[tokio::test]
async fn an_approval_is_for_one_call_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(&folder.path().join("control.db")).await;
    let new = NewApproval {
        caller: "ana".into(),
        content_sha256: "abc".into(),
        timeout_s: 60,
        ..NewApproval::default()
    };
    let (approval, token) = control.ask_approval(new.clone()).await.unwrap();
    assert!(control.use_approval(&token, "abc", "ana").await.is_err());
    let waiting = tokio::spawn({
        let (control, id) = (Arc::clone(&control), approval.id.clone());
        async move { control.await_approval(&id).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    control
        .decide_approval(&approval.id, true, "boss")
        .await
        .unwrap();
    assert_eq!(waiting.await.unwrap(), ApprovalStatus::Approved);
    assert!(
        control
            .decide_approval(&approval.id, false, "boss")
            .await
            .is_err()
    );
    assert!(control.use_approval(&token, "other", "ana").await.is_err());
    assert!(control.use_approval(&token, "abc", "eve").await.is_err());
    control.use_approval(&token, "abc", "ana").await.unwrap();
    assert!(control.use_approval(&token, "abc", "ana").await.is_err());
    let (late, _) = control
        .ask_approval(NewApproval {
            timeout_s: 0,
            ..new
        })
        .await
        .unwrap();
    assert_eq!(
        control.await_approval(&late.id).await.unwrap(),
        ApprovalStatus::Denied
    );
}

#[tokio::test]
async fn the_first_admin_token_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let control = open(&folder.path().join("control.db")).await;
    let first = control.first_admin_token().await.unwrap().unwrap();
    assert_eq!(control.first_admin_token().await.unwrap(), None);
    let identity = control.authenticate_admin(&first.token).unwrap();
    assert_eq!(
        (identity.name.as_str(), identity.role),
        ("admin", AdminRole::Admin)
    );
    assert_eq!(control.authenticate_admin("ata_x"), None);
    control.revoke_admin_token(&first.kept.id).await.unwrap();
    assert_eq!(control.authenticate_admin(&first.token), None);
}
