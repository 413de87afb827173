//! Keeping the tables in shape: old rows go, small files are merged, forgotten files are removed.
//!
//! Each step compares what is with what should be and may be run at any time, by timer or by
//! hand, and be interrupted anywhere: until its Delta commit it has changed nothing, and files
//! left over are removed by the next vacuum.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::delta::{Change, DeltaFolder};
use crate::error::LakeError;
use crate::flush;
use crate::lake::Lake;
use crate::parquet_file;
use crate::schema::arrow_schema;
use crate::snapshot::DataFile;
use crate::time::day_of;

/// What maintenance did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// Files whose retention was over.
    pub expired_files: u64,
    /// Rows in them.
    pub expired_rows: u64,
    /// Small files that were merged.
    pub merged_files: u64,
    /// Files they became.
    pub merged_into: u64,
    /// Files removed from disk, because no table has referred to them for long enough.
    pub vacuumed_files: u64,
    /// Their bytes.
    pub vacuumed_bytes: u64,
}

impl Lake {
    /// Applies retention, merges small files, vacuums. Blocks; meant for a timer, every few
    /// minutes.
    ///
    /// # Errors
    /// If a table cannot be read or written; the other tables are then left for the next time.
    pub fn maintain(&self) -> Result<MaintenanceReport, LakeError> {
        let mut report = MaintenanceReport::default();
        for index in 0..self.inner.folders.len() {
            // Held throughout: a flush of this table waits, so nobody else changes its files.
            let mut folder = self.inner.folders[index].lock();
            folder.refresh()?;
            self.expire(&mut folder, &mut report)?;
            self.merge(&mut folder, &mut report)?;
            let files = folder.files();
            vacuum(
                &folder.dir,
                &files,
                self.inner.config.vacuum_grace,
                &mut report,
            )?;
            self.inner.core.lock().tables[index].files = files.into();
        }
        Ok(report)
    }

    fn expire(
        &self,
        folder: &mut DeltaFolder,
        report: &mut MaintenanceReport,
    ) -> Result<(), LakeError> {
        let Some(days) = self.inner.config.retention_days_of(folder.table.name) else {
            return Ok(());
        };
        let today = day_of((self.inner.ports.clock)().0);
        let oldest_kept = today.saturating_sub(i32::try_from(days).unwrap_or(i32::MAX));
        let mut removed = folder.files();
        let holds = self.inner.holds.lock().clone();
        removed.retain(|file| {
            let held = holds.iter().any(|h| h.covers(folder.table.name, file.day));
            file.day < oldest_kept && !held
        });
        if removed.is_empty() {
            return Ok(());
        }
        report.expired_files += removed.len() as u64;
        report.expired_rows += removed.iter().map(|file| file.rows).sum::<u64>();
        folder.commit(Change {
            removed,
            ..Change::default()
        })
    }

    fn merge(
        &self,
        folder: &mut DeltaFolder,
        report: &mut MaintenanceReport,
    ) -> Result<(), LakeError> {
        let config = &self.inner.config;
        let groups = small_files(
            folder.files(),
            config.small_file_bytes,
            config.small_files_min,
            config.file_rows_max as u64,
        );
        for group in groups {
            let schema = arrow_schema(folder.table);
            let batches = group
                .iter()
                .map(|file| parquet_file::read(&file.path, &schema))
                .collect::<Result<Vec<_>, _>>()?;
            let stem = flush::stem(&batches);
            let added = parquet_file::write(&folder.dir, &schema, &batches, &stem)?;
            report.merged_files += group.len() as u64;
            report.merged_into += added.len() as u64;
            folder.commit(Change {
                added,
                removed: group,
                moves_only: true,
                ..Change::default()
            })?;
        }
        Ok(())
    }
}

/// Groups of small files of one day, oldest rows first, none with more than `rows_max` rows.
fn small_files(
    files: Vec<DataFile>,
    small_bytes: u64,
    files_min: usize,
    rows_max: u64,
) -> Vec<Vec<DataFile>> {
    let mut days: BTreeMap<i32, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        if file.size_bytes < small_bytes && file.rows < rows_max {
            days.entry(file.day).or_default().push(file);
        }
    }
    let mut groups = Vec::new();
    for mut files in days.into_values() {
        files.sort_by_key(|file| file.time_min);
        let mut group = Vec::new();
        let mut rows = 0;
        for file in files {
            if rows + file.rows > rows_max {
                groups.push(std::mem::take(&mut group));
                rows = 0;
            }
            rows += file.rows;
            group.push(file);
        }
        groups.push(group);
    }
    groups.retain(|group| group.len() >= files_min.max(2));
    groups
}

/// Removes Parquet files that the table does not refer to and that have not changed for `grace`.
fn vacuum(
    dir: &Path,
    files: &[DataFile],
    grace: Duration,
    report: &mut MaintenanceReport,
) -> Result<(), LakeError> {
    let known: HashSet<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    for day_dir in entries(dir)? {
        let name = day_dir
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        if !name.is_some_and(|name| name.starts_with("day=")) {
            continue;
        }
        for path in entries(&day_dir)? {
            let is_parquet = path.extension().is_some_and(|ext| ext == "parquet");
            if !is_parquet || known.contains(path.as_path()) {
                continue;
            }
            let metadata = fs::metadata(&path).map_err(LakeError::io("reading", &path))?;
            let age = metadata
                .modified()
                .ok()
                .and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if age.is_some_and(|age| age >= grace) {
                fs::remove_file(&path).map_err(LakeError::io("removing", &path))?;
                report.vacuumed_files += 1;
                report.vacuumed_bytes += metadata.len();
            }
        }
        // Only an empty folder can be removed like this; any other stays.
        let _ = fs::remove_dir(&day_dir);
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, LakeError> {
    let listed = fs::read_dir(dir).map_err(LakeError::io("listing", dir))?;
    Ok(listed
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect())
}
