//! The terms of text columns by row group, inside of a Parquet file: bytes between the last row
//! group and the footer, which other readers skip. The key [`KEY`] of the file's metadata says
//! where they are: `{"PromptText": [[offset, length], …]}`, a filter for each row group.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{FileMetaData, KeyValue};
use serde_json::Value;

use crate::{bloom, fold, terms};

/// Where a file says that it has an index.
pub const KEY: &str = "atalaya.terms";
/// Most different terms of a row group that are indexed; a group with more is always read.
const TERMS_MAX: usize = 1 << 20;

/// The filters of one column, one for each row group; empty ones exclude nothing.
type Filters = Vec<Vec<u8>>;

/// Builds the index of a file while its row groups are written.
#[derive(Debug, Default)]
pub struct Builder(Vec<(String, Filters)>);

impl Builder {
    /// An index of these columns.
    pub fn new<'n>(columns: impl IntoIterator<Item = &'n str>) -> Self {
        let empty = |name: &str| (name.to_owned(), Vec::new());
        Self(columns.into_iter().map(empty).collect())
    }

    /// Takes the terms of a row group's rows.
    pub fn add_row_group(&mut self, rows: &RecordBatch) {
        for (name, filters) in &mut self.0 {
            let column = rows.column_by_name(name);
            let texts = column.and_then(|column| cast(column, &DataType::Utf8).ok());
            let texts = texts
                .as_ref()
                .and_then(|texts| texts.as_any().downcast_ref());
            filters.push(texts.map(filter_of).unwrap_or_default());
        }
    }

    /// Writes the index behind the last row group.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish<W: Write + Send>(self, writer: &mut ArrowWriter<W>) -> io::Result<()> {
        writer.flush().map_err(io::Error::other)?;
        let mut places = serde_json::Map::new();
        for (name, filters) in self.0 {
            let mut ranges = Vec::with_capacity(filters.len());
            for filter in filters {
                ranges.push(serde_json::json!([writer.bytes_written(), filter.len()]));
                writer.write_all(&filter)?;
            }
            places.insert(name, Value::Array(ranges));
        }
        let places = Value::Object(places).to_string();
        writer.append_key_value_metadata(KeyValue::new(KEY.to_owned(), places));
        Ok(())
    }
}

fn filter_of(texts: &StringArray) -> Vec<u8> {
    let mut hashes: HashSet<u64, std::hash::BuildHasherDefault<Identity>> = HashSet::default();
    for text in texts.iter().flatten() {
        hashes.extend(terms(&fold(text)).map(bloom::hash));
        if hashes.len() > TERMS_MAX {
            return Vec::new();
        }
    }
    bloom::build(hashes.iter().copied())
}

/// Hashes are hashed already.
#[derive(Default)]
pub(crate) struct Identity(u64);

impl std::hash::Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Where the filters of a file lie, by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(HashMap<String, Vec<(u64, u64)>>);

impl Places {
    /// What a file says of its index; nothing if it has none, or none that this version reads.
    #[must_use]
    pub fn of(metadata: &FileMetaData) -> Option<Self> {
        let pairs = metadata.key_value_metadata()?;
        let text = pairs.iter().find(|pair| pair.key == KEY)?.value.as_ref()?;
        let parsed: HashMap<String, Vec<(u64, u64)>> = serde_json::from_str(text).ok()?;
        Some(Self(parsed))
    }

    /// Offset and length of the filters of a column, one for each row group.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&[(u64, u64)]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

/// Whether a row group can hold a row with all of these folded terms. Of its filter, which lies at
/// `(offset, length)`, only the bytes that decide are read.
///
/// # Errors
/// When the file cannot be read there.
pub fn may_hold(
    (offset, length): (u64, u64),
    wanted: &[String],
    read: &mut impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<bool> {
    let mut byte = |at: u64| {
        let mut byte = [0];
        let at = offset.checked_add(at).ok_or(io::ErrorKind::InvalidData)?;
        read(at, &mut byte)?;
        Ok(byte[0])
    };
    for term in wanted {
        if !bloom::may_hold(length, bloom::hash(term), &mut byte)? {
            return Ok(false);
        }
    }
    Ok(true)
}
