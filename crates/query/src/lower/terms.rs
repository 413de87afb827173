//! Which row groups of a file can hold the words that a query looks for.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atalaya_terms::index::{Places, may_hold};
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use parking_lot::Mutex;
use parquet::file::metadata::ParquetMetaDataReader;

/// Most files whose footers are remembered.
const FILES_MAX: usize = 20_000;

/// What a file's footer says of its index.
struct Footer {
    places: Option<Places>,
    row_groups: usize,
}

/// Footers of files read so far; files never change under one name and size.
#[derive(Default)]
pub(crate) struct TermIndexes(Mutex<HashMap<(PathBuf, u64), Arc<Footer>>>);

impl TermIndexes {
    /// The row groups of a file to read, if its index excludes some. A file that cannot be read
    /// is left to whoever scans it.
    pub(super) fn plan(
        &self,
        path: &Path,
        size_bytes: u64,
        probes: &[(String, Vec<Vec<String>>)],
    ) -> Option<ParquetAccessPlan> {
        let footer = self.footer(path, size_bytes).ok()?;
        let places = footer.places.as_ref()?;
        let mut file = None;
        let mut plan = ParquetAccessPlan::new_all(footer.row_groups);
        for (column, wanted) in probes {
            let Some(filters) = places.column(column) else {
                continue;
            };
            let file = match &mut file {
                Some(file) => file,
                None => file.insert(File::open(path).ok()?),
            };
            let filters = read(file, filters, size_bytes).ok()?;
            for (group, filter) in filters.iter().enumerate().take(footer.row_groups) {
                if !wanted.iter().any(|terms| may_hold(filter, terms)) {
                    plan.skip(group);
                }
            }
        }
        Some(plan)
    }

    fn footer(&self, path: &Path, size_bytes: u64) -> io::Result<Arc<Footer>> {
        let key = (path.to_owned(), size_bytes);
        if let Some(known) = self.0.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let file = File::open(path)?;
        let metadata = ParquetMetaDataReader::new()
            .parse_and_finish(&file)
            .map_err(io::Error::other)?;
        let footer = Arc::new(Footer {
            places: Places::of(metadata.file_metadata()),
            row_groups: metadata.num_row_groups(),
        });
        let mut known = self.0.lock();
        if known.len() >= FILES_MAX {
            known.clear();
        }
        known.insert(key, Arc::clone(&footer));
        Ok(footer)
    }
}

/// The filters of a column. They lie one after the other.
fn read(file: &mut File, places: &[(u64, u64)], size_bytes: u64) -> io::Result<Vec<Vec<u8>>> {
    let mut filters = Vec::with_capacity(places.len());
    for (offset, length) in places {
        if offset
            .checked_add(*length)
            .is_none_or(|end| end > size_bytes)
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        file.seek(SeekFrom::Start(*offset))?;
        let mut filter = vec![0; usize::try_from(*length).map_err(io::Error::other)?];
        file.read_exact(&mut filter)?;
        filters.push(filter);
    }
    Ok(filters)
}
