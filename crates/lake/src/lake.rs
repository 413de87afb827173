//! The handle: open, follow, look, flush.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use atalaya_journal::{ReadError, Reader};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::config::{LakeConfig, Ports};
use crate::core::{Core, TableView};
use crate::delta::{DeltaFolder, Runtime};
use crate::error::LakeError;
use crate::flush;
use crate::gateway::Gateway;
use crate::hold::LegalHold;
use crate::record::DECISIONS;
use crate::snapshot::Snapshot;

/// All tables of one node. Cheap to clone. Its functions block; an asynchronous caller uses a
/// thread that may (`spawn_blocking`), except for [`Lake::snapshot`], which is quick.
#[derive(Clone)]
pub struct Lake {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: LakeConfig,
    pub(crate) ports: Ports,
    pub(crate) core: Mutex<Core>,
    /// In the order of `core.tables`. Locked before `core`, never after.
    pub(crate) folders: Vec<Mutex<DeltaFolder>>,
    /// One flush at a time.
    pub(crate) flushing: Mutex<()>,
    pub(crate) counters: Mutex<Counters>,
    /// Identity of the journal that is followed.
    pub(crate) chain: Mutex<Option<Uuid>>,
    /// What retention must not touch.
    pub(crate) holds: Mutex<Vec<LegalHold>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) flushes: u64,
    pub(crate) flush_failures: u64,
}

/// Counters and gauges, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LakeStats {
    /// Number of the next journal record to be read.
    pub position: u64,
    /// Rows in memory, unsettled decisions included.
    pub tail_rows: usize,
    /// Decisions that wait for their settlement.
    pub unsettled: usize,
    /// Files of all tables.
    pub files: usize,
    /// Flushes that succeeded.
    pub flushes: u64,
    /// Flushes that failed; their rows stay in memory and are tried again.
    pub flush_failures: u64,
    /// Decisions of dead processes, settled as `interrupted`.
    pub interrupted: u64,
    /// Settlements that came after their decision was flushed; the row was, or will be, rewritten.
    pub late_settlements: u64,
    /// Settlements whose decision is not known any more; they are in the journal only.
    pub orphaned_settlements: u64,
    /// Decisions no longer watched for a settlement, because too many were waiting.
    pub given_up: u64,
    /// Journal records that name no known table.
    pub unknown_records: u64,
    /// Journal records that are not a JSON object.
    pub rows_refused: u64,
    /// Journal records that were removed before they were read.
    pub records_missing: u64,
}

impl Lake {
    /// Opens or makes all tables under `config.dir`.
    ///
    /// # Errors
    /// If a table cannot be read or made, or has other columns than this program.
    pub fn open(config: LakeConfig, ports: Ports) -> Result<Self, LakeError> {
        let runtime =
            Arc::new(Runtime::new().map_err(LakeError::io("starting threads for", &config.dir))?);
        fs::create_dir_all(&config.dir).map_err(LakeError::io("creating", &config.dir))?;
        let mut folders = Vec::new();
        let mut tables = Vec::new();
        for table in atalaya_tables::ALL {
            let folder = DeltaFolder::open(table, &config.dir, &runtime)?;
            tables.push(TableView::new(table, folder.files(), 0));
            folders.push(Mutex::new(folder));
        }
        let decisions = atalaya_tables::find(DECISIONS).ok_or_else(|| LakeError::NoSuchTable {
            name: DECISIONS.to_owned(),
        })?;
        let core = Core {
            tables,
            gateway: Gateway::new(decisions),
            position: 0,
            resume_at: 0,
            unflushed_since: None,
            unflushed_bytes: 0,
            unknown_records: 0,
            rows_refused: 0,
            records_missing: 0,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                ports,
                core: Mutex::new(core),
                folders,
                flushing: Mutex::new(()),
                counters: Mutex::new(Counters::default()),
                chain: Mutex::new(None),
                holds: Mutex::default(),
            }),
        })
    }

    /// What retention must not touch from now on; replaces what was set before.
    pub fn set_holds(&self, holds: Vec<LegalHold>) {
        *self.inner.holds.lock() = holds;
    }

    /// Names of the tables.
    #[must_use]
    pub fn tables(&self) -> Vec<&'static str> {
        atalaya_tables::ALL.iter().map(|table| table.name).collect()
    }

    /// One table at this instant. Quick: no file is read, except that commits of other processes
    /// are looked for.
    ///
    /// # Errors
    /// If there is no such table, or its Delta log cannot be read.
    pub fn snapshot(&self, table: &str) -> Result<Snapshot, LakeError> {
        self.refresh(table)?;
        self.inner.core.lock().snapshot(table)
    }

    /// Takes note of what other processes committed.
    fn refresh(&self, table: &str) -> Result<(), LakeError> {
        let Some(index) = self.index_of(table) else {
            return Ok(());
        };
        // Whoever holds the folder is committing, and updates the view afterwards.
        let Some(mut folder) = self.inner.folders[index].try_lock() else {
            return Ok(());
        };
        if folder.refresh()? {
            let files = folder.files();
            self.inner.core.lock().tables[index].files = files.into();
        }
        Ok(())
    }

    pub(crate) fn index_of(&self, table: &str) -> Option<usize> {
        atalaya_tables::ALL
            .iter()
            .position(|known| known.name == table)
    }

    /// Prepares to follow the journal with this identity, whose next record will be number
    /// `journal_end`, and returns the number of the record to begin with.
    ///
    /// # Errors
    /// If a Delta log cannot be read.
    pub(crate) fn begin(&self, chain: Uuid, journal_end: u64) -> Result<u64, LakeError> {
        *self.inner.chain.lock() = Some(chain);
        flush::begin(&self.inner, chain, journal_end)
    }

    /// Reads up to `poll_records_max` new journal records into the tail; returns how many.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub(crate) fn step(&self, reader: &mut Reader) -> Result<usize, LakeError> {
        let now = Instant::now();
        let config = &self.inner.config;
        let mut core = self.inner.core.lock();
        if core.is_over(config, 2) {
            return Ok(0);
        }
        let committed = core.view(DECISIONS)?.committed;
        // After a restart, what is committed is read again up to exactly its end, where it is
        // decided which of the still unsettled decisions are in files.
        let again = usize::try_from(committed.saturating_sub(core.position)).unwrap_or(usize::MAX);
        let count_max = match again {
            0 => config.poll_records_max,
            again => again.min(config.poll_records_max),
        };
        let mut seen = reader.visit(count_max, |record| core.apply(record, now));
        if let Err(ReadError::Gone { oldest, .. }) = seen {
            core.skip_to(oldest);
            reader.seek(oldest);
            seen = reader.visit(count_max, |record| core.apply(record, now));
        }
        let is_caught_up = again > 0 && core.position >= committed;
        drop(core);
        if is_caught_up {
            flush::resolve_flushed_unsettled(&self.inner)?;
        }
        Ok(seen?.len())
    }

    /// Reads a journal that no process writes to its end: for looking at a stopped node.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn catch_up(&self, journal_dir: &Path) -> Result<(), LakeError> {
        let Some(chain) = atalaya_journal::chain_id(journal_dir)? else {
            return Ok(());
        };
        let mut reader = Reader::open(journal_dir, self.begin(chain, u64::MAX)?);
        while self.step(&mut reader)? > 0 {}
        Ok(())
    }

    /// Writes everything that is complete to files now. Blocks; returns how many rows.
    ///
    /// # Errors
    /// If a file or a Delta log cannot be written. The rows stay in memory and are tried again.
    pub fn flush(&self) -> Result<u64, LakeError> {
        let flushed = flush::flush(&self.inner);
        let mut counters = self.inner.counters.lock();
        match &flushed {
            Ok(_) => counters.flushes += 1,
            Err(_) => counters.flush_failures += 1,
        }
        flushed
    }

    /// Number of the oldest journal record that a restart would read: segments before it may be
    /// removed from the journal as far as the lake is concerned.
    #[must_use]
    pub fn oldest_needed_record(&self) -> u64 {
        self.inner.core.lock().resume_at
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> LakeStats {
        let counters = *self.inner.counters.lock();
        let core = self.inner.core.lock();
        let gateway = core.gateway.counts;
        LakeStats {
            position: core.position,
            tail_rows: core.tail_rows(),
            unsettled: core.gateway.unsettled_count(),
            files: core.tables.iter().map(|view| view.files.len()).sum(),
            flushes: counters.flushes,
            flush_failures: counters.flush_failures,
            interrupted: gateway.interrupted,
            late_settlements: gateway.late,
            orphaned_settlements: gateway.orphaned,
            given_up: gateway.given_up,
            unknown_records: core.unknown_records,
            rows_refused: core.rows_refused + gateway.rows_refused,
            records_missing: core.records_missing,
        }
    }
}
