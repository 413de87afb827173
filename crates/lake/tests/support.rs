//! A journal and a lake in a temporary folder, and looking at what a query would see.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use atalaya_journal::{Journal, JournalConfig};
use atalaya_lake::{Follower, Lake, LakeConfig, Ports, Snapshot};
use atalaya_model::Timestamp;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

pub(crate) const DECISIONS: &str = "AIGuardrailDecisions";
pub(crate) const START: &str = "2026-11-24T10:00:00.000000Z";

pub(crate) struct World {
    _dir: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) journal: Option<Journal>,
    pub(crate) lake: Option<Lake>,
    pub(crate) follower: Option<Follower>,
    pub(crate) config: LakeConfig,
    journal_config: JournalConfig,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Flushes only when told to, unless `change` says otherwise.
    pub(crate) fn with(change: impl Fn(&mut LakeConfig)) -> Self {
        Self::with_both(change, |_| {})
    }

    pub(crate) fn with_journal(change: impl Fn(&mut JournalConfig)) -> Self {
        Self::with_both(|_| {}, change)
    }

    fn with_both(
        change: impl Fn(&mut LakeConfig),
        change_journal: impl Fn(&mut JournalConfig),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        let mut config = LakeConfig::new(root.join("lake"));
        config.flush_age = Duration::from_secs(3_600);
        config.poll_interval = Duration::from_millis(1);
        change(&mut config);
        let mut journal_config = JournalConfig::new(root.join("journal"));
        change_journal(&mut journal_config);
        let mut world = Self {
            _dir: dir,
            root,
            journal: None,
            lake: None,
            follower: None,
            config,
            journal_config,
        };
        world.start();
        world
    }

    pub(crate) fn start(&mut self) {
        let (journal, _) = Journal::open(self.journal_config.clone()).unwrap();
        let lake = Lake::open(self.config.clone(), ports()).unwrap();
        self.follower = Some(lake.follow(&journal).unwrap());
        self.journal = Some(journal);
        self.lake = Some(lake);
    }

    /// Ends the process without any goodbye: nothing is flushed, calls are not settled.
    pub(crate) fn kill(&mut self) {
        self.follower = None;
        self.lake = None;
        self.journal = None;
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.start();
        self.sync();
    }

    pub(crate) fn lake(&self) -> &Lake {
        self.lake.as_ref().unwrap()
    }

    pub(crate) fn append(&self, record: &str) -> u64 {
        let journal = self.journal.as_ref().unwrap();
        journal
            .append(record.as_bytes().to_vec())
            .wait()
            .unwrap()
            .seq
    }

    pub(crate) fn decide(&self, id: &str) -> u64 {
        self.append(&format!(
            r#"{{"$table":"AIGuardrailDecisions","TimeGenerated":"{START}","DecisionId":"{id}","UserId":"u","ModelName":"m","Decision":"ALLOW","ThreatScore":7,"RuleIds":["a","b"],"GatewayLatencyUs":2000}}"#
        ))
    }

    pub(crate) fn settle(&self, id: &str) -> u64 {
        self.append(&format!(
            r#"{{"$table":"AIGuardrailDecisions","$settles":"{id}","Outcome":"answered","UpstreamStatus":200,"UpstreamLatencyMs":12.5,"OutputTokens":5}}"#
        ))
    }

    pub(crate) fn call(&self, id: &str) {
        self.decide(id);
        self.settle(id);
    }

    /// Waits until the lake has read all of the journal.
    pub(crate) fn sync(&self) {
        let journal = self.journal.as_ref().unwrap();
        assert!(journal.wait_for(journal.opened_seq(), Duration::from_secs(5)));
        assert!(
            self.lake()
                .wait_for(journal.next_seq(), Duration::from_secs(10))
        );
    }

    pub(crate) fn flush(&self) -> u64 {
        self.sync();
        self.lake().flush().unwrap()
    }

    pub(crate) fn rows(&self, table: &str) -> Vec<BTreeMap<String, String>> {
        rows(&self.lake().snapshot(table).unwrap())
    }

    /// `id=outcome` of every row of the decision log, sorted; an unsettled one has an empty
    /// outcome.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        self.sync();
        let mut found: Vec<String> = self
            .rows(DECISIONS)
            .iter()
            .map(|row| format!("{}={}", row["DecisionId"], row["Outcome"]))
            .collect();
        found.sort();
        found
    }

    pub(crate) fn count(&self, table: &str) -> usize {
        self.rows(table).len()
    }
}

pub(crate) fn ports() -> Ports {
    let next = AtomicU64::new(0);
    Ports {
        clock: Arc::new(Timestamp::now),
        new_id: Arc::new(move || format!("new-{}", next.fetch_add(1, SeqCst))),
    }
}

/// Everything a query would see, cells as text.
pub(crate) fn rows(snapshot: &Snapshot) -> Vec<BTreeMap<String, String>> {
    let mut found = Vec::new();
    for file in snapshot.files.iter() {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file.path).unwrap())
            .unwrap()
            .build()
            .unwrap();
        let before = found.len();
        for batch in reader {
            let batch = batch.unwrap();
            assert_eq!(batch.schema().fields(), snapshot.schema.fields());
            collect(&batch, &mut found);
        }
        assert_eq!(found.len() - before, usize::try_from(file.rows).unwrap());
    }
    for batch in &snapshot.tail {
        assert_eq!(batch.schema(), snapshot.schema);
        collect(batch, &mut found);
    }
    assert_eq!(found.len() as u64, snapshot.rows());
    found
}

fn collect(batch: &RecordBatch, found: &mut Vec<BTreeMap<String, String>>) {
    let options = FormatOptions::default();
    let columns: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let formatter = ArrayFormatter::try_new(column, &options).unwrap();
            (field.name().clone(), column.is_empty(), formatter)
        })
        .collect();
    for index in 0..batch.num_rows() {
        found.push(
            columns
                .iter()
                .map(|(name, _, formatter)| (name.clone(), formatter.value(index).to_string()))
                .collect(),
        );
    }
}
