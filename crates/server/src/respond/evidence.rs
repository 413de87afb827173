//! Evidence bundles of this node: what is put into them, and where they lie.
//!
//! Bundles lie under `<data_dir>/evidence`, the signing key beside the data in `evidence.key`.
//! Making a bundle reads the journal from its beginning, because that is what proves it; a node
//! with a long journal makes them in the background of a runbook, after the attack was stopped.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use atalaya_model::{Alert, EntityKind, Timestamp};
use atalaya_respond::evidence::{
    Collected, Manifest, Selection, SigningKey, build, collect, record_custody,
};
use atalaya_respond::ports::{EvidenceKeeper, PortError, PreserveRequest};
use atalaya_respond::{sha256_hex, uuid_of};
use atalaya_store::{
    ControlStore as _, DocumentFilter, DocumentStore as _, SqliteStore, Store as _,
};
use serde_json::{Value, json};

use crate::config::Config;
use crate::open::{self, OpenError};

/// Most policies of the history that are looked through.
const POLICIES_MAX: u32 = 10_000;

/// Makes bundles.
pub struct Keeper {
    /// Where everything lies.
    pub config: Config,
    /// Alerts, incidents, custody.
    pub store: Arc<SqliteStore>,
}

/// A bundle that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its id.
    pub bundle_id: String,
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Records in it.
    pub records: u64,
    /// Whether the whole chain was good.
    pub chain_is_good: bool,
}

/// The key that this node signs with; made if there is none.
///
/// # Errors
/// If it cannot be read or made.
pub fn signing_key(config: &Config) -> Result<SigningKey, OpenError> {
    SigningKey::open(&config.data_dir.join("evidence.key"))
        .map_err(|error| OpenError::world("the key for evidence", error))
}

fn world(what: &str) -> impl Fn(String) -> OpenError + '_ {
    move |reason| OpenError::world(what, reason)
}

impl Keeper {
    /// Makes the bundle of a request, or finds the one that its key made before.
    ///
    /// # Errors
    /// If the log cannot be read or the file not written.
    pub async fn make(&self, request: &PreserveRequest) -> Result<Made, OpenError> {
        let bundle_id = uuid_of(&format!("bundle\0{}", request.key));
        let folder = self.config.data_dir.join("evidence");
        let path = folder.join(format!("{bundle_id}.tar"));
        if path.is_file() {
            return self.known(&bundle_id, &path);
        }
        let alerts = self.alerts(&request.alert_ids).await?;
        let selection = selection(request, &alerts);
        let journal = self.config.journal_dir();
        let collected = tokio::task::spawn_blocking(move || collect(&journal, &selection))
            .await
            .map_err(|error| OpenError::world("reading the decision log", error))?
            .map_err(|error| OpenError::world("reading the decision log", error))?;
        let files = self.files(request, &alerts, &collected).await?;
        let manifest = self.manifest(&bundle_id, request, &collected);
        let key = signing_key(&self.config)?;
        let bytes = build(files, manifest, &key)
            .map_err(|error| OpenError::world("making the bundle", error))?;
        let sha256 = sha256_hex(&bytes);
        let written = path.clone();
        tokio::task::spawn_blocking(move || write_whole(&folder, &written, &bytes))
            .await
            .map_err(|error| OpenError::world("writing the bundle", error))?
            .map_err(|error| OpenError::world("writing the bundle", error))?;
        let made = Made {
            bundle_id,
            path,
            sha256,
            records: collected.links.len() as u64,
            chain_is_good: collected.bad.is_none(),
        };
        self.note(request, &made).await?;
        Ok(made)
    }

    fn known(&self, bundle_id: &str, path: &Path) -> Result<Made, OpenError> {
        let bytes =
            std::fs::read(path).map_err(|error| OpenError::world("reading the bundle", error))?;
        let good = atalaya_respond::evidence::verify(&bytes, None)
            .map_err(|error| OpenError::world("the bundle that was made before", error))?;
        Ok(Made {
            bundle_id: bundle_id.to_owned(),
            path: path.to_owned(),
            sha256: sha256_hex(&bytes),
            records: good.manifest.records,
            chain_is_good: good.manifest.chain_is_good,
        })
    }

    async fn alerts(&self, ids: &[String]) -> Result<Vec<Alert>, OpenError> {
        let mut alerts = Vec::new();
        for id in ids {
            let found = self.store.alert(id).await;
            alerts.extend(found.map_err(|e| world("reading the alerts")(e.to_string()))?);
        }
        Ok(alerts)
    }

    fn manifest(
        &self,
        bundle_id: &str,
        request: &PreserveRequest,
        collected: &Collected,
    ) -> Manifest {
        let (head_seq, head_hash) = collected.head.clone().unwrap_or_default();
        Manifest {
            bundle_id: bundle_id.to_owned(),
            created: Timestamp::now().to_rfc3339(),
            author: request.author.clone(),
            node_id: self.config.node_id.clone(),
            product_version: env!("CARGO_PKG_VERSION").to_owned(),
            incident_id: request.incident_id.clone().unwrap_or_default(),
            chain_id: collected.chain_id.clone(),
            head_seq,
            head_hash,
            chain_records_verified: collected.verified,
            chain_is_good: collected.bad.is_none(),
            records: collected.links.len() as u64,
            truncated: collected.truncated,
            ..Manifest::default()
        }
    }

    async fn files(
        &self,
        request: &PreserveRequest,
        alerts: &[Alert],
        collected: &Collected,
    ) -> Result<BTreeMap<String, Vec<u8>>, OpenError> {
        let mut files = BTreeMap::from([
            ("records.jsonl".to_owned(), lines(&collected.links)),
            ("alerts.jsonl".to_owned(), lines(alerts)),
            (
                "chain.json".to_owned(),
                json!({
                    "chain_id": collected.chain_id, "records_verified": collected.verified,
                    "head": collected.head, "problem": collected.bad,
                    "link": "SHA-256(previous_hash ‖ seq u64 LE ‖ time_us i64 LE ‖ payload)",
                })
                .to_string()
                .into_bytes(),
            ),
        ]);
        if let Some(incident) = &request.incident_id {
            let what = "reading the incident";
            let found = self.store.document("incident", incident).await;
            if let Some(document) = found.map_err(|e| world(what)(e.to_string()))? {
                files.insert("incident.json".to_owned(), document.body.into_bytes());
            }
            let filter = DocumentFilter::of("run").facet("incident", incident);
            let runs = self.store.documents(&filter).await;
            let runs = runs.map_err(|e| world("reading the runs")(e.to_string()))?;
            let text: Vec<String> = runs.into_iter().map(|run| run.body).collect();
            files.insert("runs.jsonl".to_owned(), text.join("\n").into_bytes());
        }
        let custody = self.store.custody("").await;
        let custody = custody.map_err(|e| world("reading the custody log")(e.to_string()))?;
        let custody: Vec<Value> = custody.iter().map(custody_line).collect();
        files.insert("custody.jsonl".to_owned(), lines(&custody));
        self.versions(alerts, collected, &mut files).await?;
        Ok(files)
    }

    /// Rules and policies in the versions that decided, as far as their text is still there.
    async fn versions(
        &self,
        alerts: &[Alert],
        collected: &Collected,
        files: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<(), OpenError> {
        let config = self.config.clone();
        // Reading every rule takes a while, and calls must not wait for it.
        let read = tokio::task::spawn_blocking(move || {
            Ok::<_, OpenError>((open::rules(&config)?, super::ladders(&config)?))
        });
        let (rules, ladders) = read
            .await
            .map_err(|error| OpenError::world("reading the rules", error))??;
        let mut versions = Vec::new();
        for alert in alerts {
            let text = rules
                .rule(&alert.rule_id)
                .filter(|rule| rule.hash == alert.rule_hash)
                .map(|rule| rule.text.clone())
                .or_else(|| {
                    let ladder = ladders.find(&alert.rule_id)?;
                    (ladder.hash == alert.rule_hash).then(|| ladder.text.clone())
                });
            versions.push(json!({
                "kind": "rule", "id": alert.rule_id, "version": alert.rule_version,
                "sha256": alert.rule_hash, "text_in_bundle": text.is_some(),
            }));
            if let Some(text) = text {
                files.insert(format!("rules/{}.yml", alert.rule_hash), text.into_bytes());
            }
        }
        let wanted = policy_hashes(collected);
        let history = self.store.policies(POLICIES_MAX).await;
        let history = history.map_err(|e| world("reading the policies")(e.to_string()))?;
        for hash in wanted {
            let known = history.iter().find(|policy| policy.hash == hash);
            let text = known.map(|policy| policy.text.clone()).or_else(|| {
                let builtin = atalaya_policy::Policy::builtin();
                let text = atalaya_policy::Policy::builtin_text().to_owned();
                (builtin.hash() == hash).then_some(text)
            });
            versions.push(json!({
                "kind": "policy", "sha256": hash, "text_in_bundle": text.is_some(),
            }));
            if let Some(text) = text {
                files.insert(format!("policies/{hash}.yml"), text.into_bytes());
            }
        }
        versions.dedup();
        files.insert("versions.jsonl".to_owned(), lines(&versions));
        Ok(())
    }

    async fn note(&self, request: &PreserveRequest, made: &Made) -> Result<(), OpenError> {
        let details = json!({
            "sha256": made.sha256, "records": made.records, "incident": request.incident_id,
            "chain_is_good": made.chain_is_good,
        });
        let what = (request.author.as_str(), "created", made.bundle_id.as_str());
        record_custody(self.store.as_ref(), what, &details, Timestamp::now())
            .await
            .map(|_| ())
            .map_err(|error| OpenError::world("writing the custody log", error))
    }
}

fn custody_line(entry: &atalaya_store::CustodyEntry) -> Value {
    json!({
        "seq": entry.seq, "time_us": entry.time.0, "actor": entry.actor, "action": entry.action,
        "subject": entry.subject, "details": entry.details, "hash": entry.hash,
    })
}

/// The records behind the alerts, and everything else of their callers in the same time.
fn selection(request: &PreserveRequest, alerts: &[Alert]) -> Selection {
    /// How much before and after the records is kept.
    const MARGIN_MICROS: i64 = 5 * 60 * 1_000_000;
    let mut ids: HashSet<String> = request.record_ids.iter().cloned().collect();
    ids.extend(
        alerts
            .iter()
            .flat_map(|alert| alert.record_ids.iter().cloned()),
    );
    let entities = alerts.iter().flat_map(|alert| &alert.entities);
    let callers = entities.filter(|entity| entity.kind == EntityKind::Caller);
    let first = alerts.iter().map(|alert| alert.first_seen).min();
    let last = alerts.iter().map(|alert| alert.last_seen).max();
    Selection {
        ids,
        callers: callers.map(|entity| entity.value.clone()).collect(),
        since: first.map(|time| Timestamp(time.0.saturating_sub(MARGIN_MICROS))),
        until: last.map(|time| Timestamp(time.0.saturating_add(MARGIN_MICROS))),
    }
}

fn policy_hashes(collected: &Collected) -> BTreeSet<String> {
    collected
        .links
        .iter()
        .filter_map(|link| {
            let row: Value = serde_json::from_str(&link.payload).ok()?;
            Some(row.get("PolicyHash")?.as_str()?.to_owned())
        })
        .filter(|hash| hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()))
        .collect()
}

fn lines<T: serde::Serialize>(items: &[T]) -> Vec<u8> {
    let mut out = String::new();
    for item in items {
        out.push_str(&serde_json::to_string(item).unwrap_or_default());
        out.push('\n');
    }
    out.into_bytes()
}

/// Writes a file that is there completely or not at all.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    std::fs::create_dir_all(folder)?;
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[async_trait]
impl EvidenceKeeper for Keeper {
    async fn preserve(&self, request: &PreserveRequest) -> Result<Value, PortError> {
        let made = self
            .make(request)
            .await
            .map_err(|error| PortError::Retry(error.to_string()))?;
        Ok(json!({
            "bundle": made.bundle_id, "sha256": made.sha256, "records": made.records,
            "chain_is_good": made.chain_is_good,
        }))
    }
}
