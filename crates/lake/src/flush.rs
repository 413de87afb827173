//! From memory to files, exactly once.
//!
//! A flush takes, in one critical section, every complete row of every table and the position W
//! up to which the journal has been read. Each table's Delta commit carries W as the version of an
//! application transaction, so that file list and position change together or not at all. The
//! decision log is committed last, and also carries the number of the oldest decision that may
//! still be settled: that is where reading begins after a restart, and rows whose key is below a
//! table's W are not taken again.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use uuid::Uuid;

use crate::delta::{Change, DeltaFolder};
use crate::error::LakeError;
use crate::gateway::Late;
use crate::lake::Inner;
use crate::parquet_file;
use crate::record::DECISIONS;
use crate::schema::arrow_schema;
use crate::snapshot::DataFile;

/// What one flush has taken from one table.
struct Taken {
    index: usize,
    tail: Vec<RecordBatch>,
    /// Decision log only: rows that replace rows in files, and rows without settlement.
    late: Vec<RecordBatch>,
    unsettled: Option<RecordBatch>,
}

/// What one flush has taken altogether.
struct Batch {
    taken: Vec<Taken>,
    position: u64,
    resume_at: u64,
    late_calls: Vec<Late>,
    bytes: usize,
}

/// The application id under which a table remembers how far it has come in a journal.
fn position_id(chain: Uuid) -> String {
    format!("atalaya-journal:{chain}")
}

fn resume_id(chain: Uuid) -> String {
    format!("atalaya-journal:{chain}:resume")
}

/// Reads how far the tables have come; returns where to begin reading the journal, whose next
/// record will be number `journal_end`.
pub(crate) fn begin(inner: &Inner, chain: Uuid, journal_end: u64) -> Result<u64, LakeError> {
    let mut positions = Vec::new();
    let mut resume_at = 0;
    let mut anchor = 0;
    for folder in &inner.folders {
        let mut folder = folder.lock();
        let mut position = progress(&folder, &position_id(chain))?;
        if position > journal_end {
            take_back(&mut folder, chain, journal_end)?;
            position = journal_end;
        }
        if folder.table.name == DECISIONS {
            anchor = position;
            resume_at = progress(&folder, &resume_id(chain))?;
        }
        positions.push(position);
    }
    let mut core = inner.core.lock();
    for (view, position) in core.tables.iter_mut().zip(positions) {
        // The decision log is committed last: the others have come at least as far.
        view.committed = position.max(anchor);
    }
    core.position = resume_at;
    core.resume_at = resume_at;
    Ok(resume_at)
}

/// In relaxed durability, a power cut can take records from the journal that are in the lake
/// already. Their numbers will be given again, so the table must not claim to have them.
fn take_back(folder: &mut DeltaFolder, chain: Uuid, journal_end: u64) -> Result<(), LakeError> {
    tracing::warn!(
        table = folder.table.name,
        journal_end,
        "lake: the journal has lost records that are in the table"
    );
    let resume_at = progress(folder, &resume_id(chain))?.min(journal_end);
    let version = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    let mut progress = vec![(position_id(chain), version(journal_end))];
    if folder.table.name == DECISIONS {
        progress.push((resume_id(chain), version(resume_at)));
    }
    folder.commit(Change {
        progress,
        ..Change::default()
    })
}

fn progress(folder: &DeltaFolder, application: &str) -> Result<u64, LakeError> {
    let found = folder.progress(application)?;
    Ok(found
        .and_then(|value| u64::try_from(value).ok())
        .unwrap_or(0))
}

/// See the module. Returns how many rows were written.
pub(crate) fn flush(inner: &Inner) -> Result<u64, LakeError> {
    let _one_at_a_time = inner.flushing.lock();
    let batch = take(inner)?;
    let result = write_all(inner, &batch);
    let mut core = inner.core.lock();
    core.gateway
        .end_flush(result.is_ok(), inner.config.unsettled_max);
    match &result {
        Ok(_) => core.unflushed_bytes = core.unflushed_bytes.saturating_sub(batch.bytes),
        Err(_) => {
            core.gateway.late.extend(batch.late_calls.iter().cloned());
            core.unflushed_since.get_or_insert_with(Instant::now);
        }
    }
    result
}

fn take(inner: &Inner) -> Result<Batch, LakeError> {
    let config = &inner.config;
    let mut core = inner.core.lock();
    core.settle()?;
    core.unflushed_since = None;
    let position = core.position;
    let unsettled =
        core.gateway
            .begin_flush(config.settle_wait, config.unsettled_max, Instant::now())?;
    let mut unsettled = Some(unsettled);
    let taken = core
        .tables
        .iter()
        .enumerate()
        .map(|(index, view)| Taken {
            index,
            tail: view.tail.clone(),
            late: view.late.clone(),
            unsettled: (view.table.name == DECISIONS)
                .then(|| unsettled.take())
                .flatten(),
        })
        .collect();
    Ok(Batch {
        taken,
        position,
        resume_at: core.gateway.oldest_unsettled().unwrap_or(position),
        late_calls: std::mem::take(&mut core.gateway.late),
        bytes: core.unflushed_bytes,
    })
}

fn write_all(inner: &Inner, batch: &Batch) -> Result<u64, LakeError> {
    let chain = *inner.chain.lock();
    let mut rows = 0;
    let is_anchor = |taken: &&Taken| atalaya_tables::ALL[taken.index].name == DECISIONS;
    for taken in batch.taken.iter().filter(|taken| !is_anchor(taken)) {
        if !taken.tail.is_empty() {
            rows += write_table(inner, batch, taken, chain)?;
        }
    }
    for taken in batch.taken.iter().filter(is_anchor) {
        let has_rows = !taken.tail.is_empty()
            || !taken.late.is_empty()
            || taken
                .unsettled
                .as_ref()
                .is_some_and(|rows| rows.num_rows() > 0);
        if rows > 0 || has_rows {
            rows += write_table(inner, batch, taken, chain)?;
        }
    }
    Ok(rows)
}

fn write_table(
    inner: &Inner,
    batch: &Batch,
    taken: &Taken,
    chain: Option<Uuid>,
) -> Result<u64, LakeError> {
    let mut folder = inner.folders[taken.index].lock();
    let is_anchor = folder.table.name == DECISIONS;
    let schema = arrow_schema(folder.table);
    let mut batches = taken.tail.clone();
    batches.extend(taken.late.iter().cloned());
    batches.extend(taken.unsettled.iter().cloned());
    let mut change = Change {
        added: parquet_file::write(&folder.dir, &schema, &batches, &stem(&batches))?,
        ..Change::default()
    };
    if is_anchor && !batch.late_calls.is_empty() {
        rewrite_without(&folder, &batch.late_calls, &mut change)?;
    }
    let position = i64::try_from(batch.position).unwrap_or(i64::MAX);
    if let Some(chain) = chain {
        change.progress.push((position_id(chain), position));
        if is_anchor {
            let resume_at = i64::try_from(batch.resume_at).unwrap_or(i64::MAX);
            change.progress.push((resume_id(chain), resume_at));
        }
    }
    let rows = parquet_file::row_count(&batches) as u64;
    commit(&mut folder, change, chain, position)?;
    let files = folder.files();
    let mut core = inner.core.lock();
    let view = &mut core.tables[taken.index];
    view.files = files.into();
    view.committed = view.committed.max(batch.position);
    view.tail.drain(..taken.tail.len());
    view.late.drain(..taken.late.len());
    if is_anchor {
        // In the same critical section as the files: nobody sees a row twice, or not at all.
        core.gateway.end_flush(true, inner.config.unsettled_max);
        core.resume_at = batch.resume_at;
    }
    Ok(rows)
}

/// An error after the commit was written must not lead to a second commit of the same rows.
fn commit(
    folder: &mut DeltaFolder,
    change: Change,
    chain: Option<Uuid>,
    position: i64,
) -> Result<(), LakeError> {
    let Err(error) = folder.commit(change) else {
        return Ok(());
    };
    if let Some(chain) = chain
        && folder.refresh().is_ok()
        && folder.progress(&position_id(chain))? == Some(position)
    {
        tracing::warn!(%error, table = folder.table.name, "lake: committed, but with an error afterwards");
        return Ok(());
    }
    Err(error)
}

/// A name that is unique and, for the decision log, tells which record numbers are inside.
pub(crate) fn stem(batches: &[RecordBatch]) -> String {
    let id = Uuid::now_v7().simple();
    match seq_range(batches) {
        Some((min, max)) => format!("seq-{min}-{max}-{id}"),
        None => format!("part-{id}"),
    }
}

fn seq_range(batches: &[RecordBatch]) -> Option<(i64, i64)> {
    let mut range: Option<(i64, i64)> = None;
    for batch in batches {
        let seqs = batch
            .column_by_name("Seq")?
            .as_primitive_opt::<Int64Type>()?;
        let (Some(min), Some(max)) = (arrow::compute::min(seqs), arrow::compute::max(seqs)) else {
            continue;
        };
        range = Some(range.map_or((min, max), |(low, high)| (low.min(min), high.max(max))));
    }
    range
}

/// The record numbers that a file's name promises; `None` if it may hold any.
fn seq_range_of(file: &DataFile) -> Option<(u64, u64)> {
    let name = file.path.file_name()?.to_str()?;
    let mut parts = name.strip_prefix("seq-")?.splitn(3, '-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn may_hold(file: &DataFile, calls: &[Late]) -> bool {
    seq_range_of(file)
        .is_none_or(|(min, max)| calls.iter().any(|call| (min..=max).contains(&call.seq)))
}

/// Plans the replacement of every file that holds one of these decisions by one without them.
/// They are told by their id: numbers begin again when a journal is begun anew.
fn rewrite_without(
    folder: &DeltaFolder,
    calls: &[Late],
    change: &mut Change,
) -> Result<(), LakeError> {
    let schema = arrow_schema(folder.table);
    let late: HashSet<&str> = calls.iter().map(|call| &*call.id).collect();
    for file in folder.files() {
        if !may_hold(&file, calls) {
            continue;
        }
        let rows = parquet_file::read(&file.path, &schema)?;
        let keep: BooleanArray = ids(&rows)
            .map(|id| Some(id.is_none_or(|id| !late.contains(id))))
            .collect();
        if keep.true_count() == rows.num_rows() {
            continue;
        }
        let rest = [filter_record_batch(&rows, &keep)?];
        let files = parquet_file::write(&folder.dir, &schema, &rest, &stem(&rest))?;
        change.added.extend(files);
        change.removed.push(file);
    }
    Ok(())
}

fn ids(rows: &RecordBatch) -> impl Iterator<Item = Option<&str>> {
    let ids = rows
        .column_by_name("DecisionId")
        .and_then(|column| column.as_string_opt::<i32>());
    (0..rows.num_rows()).map(move |index| {
        let ids = ids.filter(|ids| ids.is_valid(index))?;
        Some(ids.value(index))
    })
}

/// After a restart, once the journal has been read up to what is committed: decisions before that
/// point that are still unsettled may be in a file already, flushed because they waited too long.
pub(crate) fn resolve_flushed_unsettled(inner: &Inner) -> Result<(), LakeError> {
    let Some(index) = atalaya_tables::ALL
        .iter()
        .position(|table| table.name == DECISIONS)
    else {
        return Ok(());
    };
    let folder = inner.folders[index].lock();
    let (committed, oldest) = {
        let core = inner.core.lock();
        (
            core.tables[index].committed,
            core.gateway.oldest_unsettled(),
        )
    };
    let Some(oldest) = oldest.filter(|oldest| *oldest < committed) else {
        return Ok(());
    };
    let mut in_files = HashSet::new();
    for file in folder.files() {
        let overlaps =
            seq_range_of(&file).is_none_or(|(min, max)| min < committed && max >= oldest);
        if overlaps {
            read_ids(&file.path, &mut in_files)?;
        }
    }
    let mut core = inner.core.lock();
    core.gateway.mark_in_file(|id| in_files.contains(id));
    Ok(())
}

fn read_ids(path: &Path, into: &mut HashSet<String>) -> Result<(), LakeError> {
    let file = File::open(path).map_err(LakeError::io("opening", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(LakeError::parquet("reading", path))?;
    let only = ProjectionMask::columns(builder.parquet_schema(), ["DecisionId"]);
    let reader = builder
        .with_projection(only)
        .build()
        .map_err(LakeError::parquet("reading", path))?;
    for batch in reader {
        into.extend(ids(&batch?).flatten().map(str::to_owned));
    }
    Ok(())
}
