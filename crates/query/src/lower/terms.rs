//! Which parts of a file can hold the words and values that a query looks for: row groups without
//! the words, and stretches of rows without the values, are never read.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atalaya_terms::index::{self, may_hold};
use atalaya_terms::values::{self, BLOCK_ROWS};
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::file::metadata::ParquetMetaDataReader;

use super::times::Probe;

/// Most files whose footers are remembered.
const FILES_MAX: usize = 20_000;

/// Most values of a column that are looked up one by one: more of them exclude little.
const VALUES_MAX: usize = 32;

/// What is read of a file.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) access: ParquetAccessPlan,
    /// So many rows.
    pub(super) rows: usize,
    /// Each value was looked up in each row group: no other index can exclude more.
    pub(super) is_whole: bool,
}

/// What a file's footer says of its indexes.
struct Footer {
    terms: Option<index::Places>,
    values: Option<values::Places>,
    /// Rows of each row group.
    rows: Vec<usize>,
}

/// Footers of files read so far; files never change under one name and size.
#[derive(Default)]
pub(crate) struct TermIndexes(Mutex<HashMap<(PathBuf, u64), Arc<Footer>>>);

impl TermIndexes {
    /// What to read of a file, if its indexes exclude some of it. A file that cannot be read is left
    /// to whoever scans it.
    pub(super) fn plan(
        &self,
        path: &Path,
        size_bytes: u64,
        probes: &[(String, Probe)],
    ) -> Option<Plan> {
        let footer = self.footer(path, size_bytes).ok()?;
        let mut file = None;
        let mut read = |offset: u64, into: &mut [u8]| {
            let file = match &mut file {
                Some(file) => file,
                None => file.insert(File::open(path)?),
            };
            read_at(file, offset, into)
        };
        let mut parts: Vec<Part> = footer.rows.iter().map(|_| Part::All).collect();
        let (mut is_known, mut is_whole) = (false, true);
        for (column, probe) in probes {
            match probe {
                Probe::Terms(wanted) => {
                    let places = footer
                        .terms
                        .as_ref()
                        .and_then(|places| places.column(column));
                    for (part, place) in parts.iter_mut().zip(places.unwrap_or_default()) {
                        is_known = true;
                        let mut may_hold = |terms: &Vec<String>| may_hold(*place, terms, &mut read);
                        if part.is_read() && !any(wanted, &mut may_hold).ok()? {
                            *part = Part::Blocks(Vec::new());
                        }
                    }
                }
                Probe::Equals(wanted) if wanted.len() <= VALUES_MAX => {
                    let places = footer
                        .values
                        .as_ref()
                        .and_then(|places| places.column(column));
                    let places = places.unwrap_or_default();
                    is_whole &= places.len() == parts.len();
                    for (part, place) in parts.iter_mut().zip(places) {
                        if !part.is_read() {
                            continue;
                        }
                        match blocks(wanted, place, &mut read).ok()? {
                            Some(blocks) => part.keep(&blocks),
                            None => is_whole = false,
                        }
                        is_known = true;
                    }
                }
                Probe::Equals(_) => is_whole = false,
                Probe::Number(..) => {}
            }
        }
        is_known.then(|| Plan {
            access: access(&parts, &footer.rows),
            rows: parts
                .iter()
                .zip(&footer.rows)
                .map(|(part, rows)| part.rows(*rows))
                .sum(),
            is_whole,
        })
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
            terms: index::Places::of(metadata.file_metadata()),
            values: values::Places::of(metadata.file_metadata()),
            rows: metadata
                .row_groups()
                .iter()
                .map(|group| usize::try_from(group.num_rows()).unwrap_or(0))
                .collect(),
        });
        let mut known = self.0.lock();
        if known.len() >= FILES_MAX {
            known.clear();
        }
        known.insert(key, Arc::clone(&footer));
        Ok(footer)
    }
}

/// One call to the system: an index is a few bytes here and there.
#[cfg(unix)]
fn read_at(file: &File, offset: u64, into: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, offset: u64, into: &mut [u8]) -> io::Result<()> {
    use std::io::{Read as _, Seek as _};
    file.seek(io::SeekFrom::Start(offset))?;
    file.read_exact(into)
}

/// What is read of a row group.
enum Part {
    /// All of it.
    All,
    /// These stretches, in order.
    Blocks(Vec<usize>),
}

impl Part {
    fn is_read(&self) -> bool {
        !matches!(self, Self::Blocks(blocks) if blocks.is_empty())
    }

    /// How many rows that are, of a row group of so many.
    fn rows(&self, of_group: usize) -> usize {
        match self {
            Self::All => of_group,
            Self::Blocks(blocks) => (blocks.len() * BLOCK_ROWS).min(of_group),
        }
    }

    /// Only what is in these stretches as well.
    fn keep(&mut self, others: &[usize]) {
        *self = match self {
            Self::All => Self::Blocks(others.to_vec()),
            Self::Blocks(blocks) => {
                let both = blocks.iter().filter(|block| others.contains(block));
                Self::Blocks(both.copied().collect())
            }
        };
    }
}

fn any<T>(items: &[T], test: &mut impl FnMut(&T) -> io::Result<bool>) -> io::Result<bool> {
    for item in items {
        if test(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The stretches that can hold one of these values; nothing if all can.
fn blocks(
    wanted: &[String],
    place: &values::Place,
    read: &mut impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<Option<Vec<usize>>> {
    let mut all = Vec::new();
    for value in wanted {
        match place.blocks(value, read)? {
            Some(blocks) => all.extend(blocks),
            None => return Ok(None),
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(Some(all))
}

fn access(parts: &[Part], rows: &[usize]) -> ParquetAccessPlan {
    let mut plan = ParquetAccessPlan::new_all(rows.len());
    for (group, (part, rows)) in parts.iter().zip(rows).enumerate() {
        match part {
            Part::All => {}
            Part::Blocks(blocks) if blocks.is_empty() => plan.skip(group),
            Part::Blocks(blocks) => plan.scan_selection(group, selection(blocks, *rows)),
        }
    }
    plan
}

/// These stretches of so many rows.
fn selection(blocks: &[usize], rows: usize) -> RowSelection {
    let mut selectors = Vec::with_capacity(blocks.len() * 2 + 1);
    let mut done = 0;
    for block in blocks {
        let start = (block * BLOCK_ROWS).min(rows);
        let end = (start + BLOCK_ROWS).min(rows);
        if start > done {
            selectors.push(RowSelector::skip(start - done));
        }
        if end > start {
            selectors.push(RowSelector::select(end - start));
        }
        done = end;
    }
    if done < rows {
        selectors.push(RowSelector::skip(rows - done));
    }
    selectors.into()
}
