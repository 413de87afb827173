//! Where the values of a column of identifiers lie: for each row group, which stretches of rows
//! ([`BLOCK_ROWS`]) can hold a value. A search for one value reads a few bytes of this for each row
//! group, and then only the pages that hold it.
//!
//! The bytes lie between the last row group and the footer, which other readers skip. The key
//! [`KEY`] of the file's metadata says where: `{"SessionId": [[offset, buckets, entries], …]}`. A row
//! group has `buckets + 1` numbers (u32, little endian), the first entry of each bucket and the end;
//! then its entries of three bytes: 16 bits of a value's hash and the number of the stretch.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io::{self, Write};

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{FileMetaData, KeyValue};
use serde_json::Value;

use crate::bloom;
use crate::index::Identity;

/// Where a file says that it has this index.
pub const KEY: &str = "atalaya.values";
/// Rows of a stretch.
pub const BLOCK_ROWS: usize = 4_096;
/// Most stretches of a row group: their number is a byte.
const BLOCKS_MAX: usize = 256;
/// Entries of a bucket, about.
const BUCKET_ENTRIES: usize = 8;
/// Most entries that a bucket is believed to have; more of them are a damaged file.
const BUCKET_ENTRIES_MAX: u32 = 1 << 16;
const ENTRY_BYTES: usize = 3;
/// Values that lie in more stretches than this, on average, gain nothing from an index.
const BLOCKS_PER_VALUE_MAX: usize = 2;

/// The index of one row group; without entries it excludes nothing.
#[derive(Debug, Default)]
struct Group {
    buckets: usize,
    entries: usize,
    bytes: Vec<u8>,
}

/// Builds the index of a file while its row groups are written.
#[derive(Debug, Default)]
pub struct Builder(Vec<(String, Vec<Group>)>);

impl Builder {
    /// An index of these columns.
    pub fn new<'n>(columns: impl IntoIterator<Item = &'n str>) -> Self {
        let empty = |name: &str| (name.to_owned(), Vec::new());
        Self(columns.into_iter().map(empty).collect())
    }

    /// Takes the values of a row group's rows.
    pub fn add_row_group(&mut self, rows: &RecordBatch) {
        for (name, groups) in &mut self.0 {
            let column = rows.column_by_name(name);
            let texts = column.and_then(|column| cast(column, &DataType::Utf8).ok());
            let texts = texts
                .as_ref()
                .and_then(|texts| texts.as_any().downcast_ref());
            groups.push(texts.and_then(group_of).unwrap_or_default());
        }
    }

    /// Writes the index behind the last row group.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish<W: Write + Send>(self, writer: &mut ArrowWriter<W>) -> io::Result<()> {
        writer.flush().map_err(io::Error::other)?;
        let mut places = serde_json::Map::new();
        for (name, groups) in self.0 {
            let mut ranges = Vec::with_capacity(groups.len());
            for group in groups {
                let place = [writer.bytes_written(), group.buckets, group.entries];
                ranges.push(serde_json::json!(place));
                writer.write_all(&group.bytes)?;
            }
            places.insert(name, Value::Array(ranges));
        }
        let places = Value::Object(places).to_string();
        writer.append_key_value_metadata(KeyValue::new(KEY.to_owned(), places));
        Ok(())
    }
}

/// Whether most rows of a column hold values of their own: a dictionary of them only costs.
#[must_use]
pub fn is_mostly_unique(column: &dyn Array) -> bool {
    const ROWS: usize = 8_192;
    let rows = column.len().min(ROWS);
    let Ok(texts) = cast(&column.slice(0, rows), &DataType::Utf8) else {
        return false;
    };
    let Some(texts) = texts.as_any().downcast_ref::<StringArray>() else {
        return false;
    };
    let different: std::collections::HashSet<&str> = texts.iter().flatten().collect();
    different.len() * 4 > rows * 3
}

fn group_of(texts: &StringArray) -> Option<Group> {
    if texts.len() > BLOCKS_MAX * BLOCK_ROWS {
        return None;
    }
    // The last stretch that a value was seen in: stretches come in order.
    let mut seen: HashMap<u64, u8, BuildHasherDefault<Identity>> = HashMap::default();
    let mut entries: Vec<(u64, u8)> = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text else { continue };
        let block = u8::try_from(row / BLOCK_ROWS).ok()?;
        let hash = bloom::hash(text);
        if seen.insert(hash, block) != Some(block) {
            entries.push((hash, block));
        }
    }
    if entries.len() > seen.len() * BLOCKS_PER_VALUE_MAX {
        return None;
    }
    let buckets = entries.len().div_ceil(BUCKET_ENTRIES).max(1);
    entries.sort_unstable_by_key(|(hash, block)| (bucket_of(*hash, buckets), *block));
    let mut bytes = Vec::with_capacity((buckets + 1) * 4 + entries.len() * ENTRY_BYTES);
    let mut next = 0;
    for bucket in 0..=buckets {
        while next < entries.len() && bucket_of(entries[next].0, buckets) < bucket {
            next += 1;
        }
        bytes.extend_from_slice(&u32::try_from(next).ok()?.to_le_bytes());
    }
    for (hash, block) in &entries {
        bytes.extend_from_slice(&mark_of(*hash));
        bytes.push(*block);
    }
    Some(Group {
        buckets,
        entries: entries.len(),
        bytes,
    })
}

/// The upper half of the hash, scaled.
fn bucket_of(hash: u64, buckets: usize) -> usize {
    usize::try_from(((hash >> 32) * buckets as u64) >> 32).unwrap_or(0)
}

/// What an entry keeps of the hash.
const fn mark_of(hash: u64) -> [u8; 2] {
    (hash as u16).to_le_bytes()
}

/// Where the index of a row group lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    offset: u64,
    buckets: u64,
    entries: u64,
}

impl Place {
    /// The stretches of the row group that can hold a value, in order; nothing if all can.
    ///
    /// # Errors
    /// When the file cannot be read there, or what is read is no index.
    pub fn blocks(
        &self,
        value: &str,
        read: &mut impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<Option<Vec<usize>>> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        if self.buckets == 0 {
            return Ok(None);
        }
        let hash = bloom::hash(value);
        let buckets = usize::try_from(self.buckets).map_err(|_| damaged())?;
        let bucket = bucket_of(hash, buckets) as u64;
        let at = |offset: Option<u64>| offset.ok_or_else(damaged);
        let mut bounds = [0; 8];
        read(at(self.offset.checked_add(bucket * 4))?, &mut bounds)?;
        let [a, b, c, d, e, f, g, h] = bounds;
        let (first, end) = (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        );
        let count = end.checked_sub(first).ok_or_else(damaged)?;
        if u64::from(end) > self.entries || count > BUCKET_ENTRIES_MAX {
            return Err(damaged());
        }
        let mut entries = vec![0; count as usize * ENTRY_BYTES];
        let head = self.buckets.checked_add(1).and_then(|n| n.checked_mul(4));
        let head = head.and_then(|head| self.offset.checked_add(head));
        let start = head.and_then(|head| head.checked_add(u64::from(first) * ENTRY_BYTES as u64));
        read(at(start)?, &mut entries)?;
        let mark = mark_of(hash);
        let hits = entries.chunks_exact(ENTRY_BYTES);
        let hits = hits.filter(|entry| entry.starts_with(&mark));
        let mut blocks: Vec<usize> = hits.map(|entry| usize::from(entry[2])).collect();
        blocks.sort_unstable();
        blocks.dedup();
        Ok(Some(blocks))
    }
}

/// Where the indexes of a file lie, by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(HashMap<String, Vec<Place>>);

impl Places {
    /// What a file says of its index; nothing if it has none, or none that this version reads.
    #[must_use]
    pub fn of(metadata: &FileMetaData) -> Option<Self> {
        let pairs = metadata.key_value_metadata()?;
        let text = pairs.iter().find(|pair| pair.key == KEY)?.value.as_ref()?;
        let parsed: HashMap<String, Vec<(u64, u64, u64)>> = serde_json::from_str(text).ok()?;
        let place = |(offset, buckets, entries)| Place {
            offset,
            buckets,
            entries,
        };
        let places = parsed.into_iter();
        let places = places.map(|(name, all)| (name, all.into_iter().map(place).collect()));
        Some(Self(places.collect()))
    }

    /// The indexes of a column, one for each row group.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&[Place]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_ROWS, Place, group_of};
    use arrow::array::StringArray;
    use std::io;

    fn find(bytes: &[u8], place: Place, value: &str) -> io::Result<Option<Vec<usize>>> {
        place.blocks(value, &mut |offset, into| {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let from = bytes.get(start..start + into.len());
            into.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    #[test]
    fn every_value_is_found_where_it_lies_and_little_else() {
        let rows = 10 * BLOCK_ROWS + 17;
        let name = |row: usize| format!("value {}", row * 11 % (rows - 1_000));
        let texts: StringArray = (0..rows).map(|row| Some(name(row))).collect();
        let group = group_of(&texts).unwrap();
        let place = Place {
            offset: 0,
            buckets: group.buckets as u64,
            entries: group.entries as u64,
        };
        for row in (0..rows).step_by(13) {
            let blocks = find(&group.bytes, place, &name(row)).unwrap().unwrap();
            assert!(blocks.contains(&(row / BLOCK_ROWS)), "{row}: {blocks:?}");
        }
        let others = (0..20_000).map(|n| find(&group.bytes, place, &format!("other {n}")));
        let wrong = others
            .filter(|found| found.as_ref().unwrap() != &Some(Vec::new()))
            .count();
        assert!(wrong < 20, "{wrong} of 20,000");
        assert!(
            find(&group.bytes[..100], place, "value 1").is_err(),
            "a cut file is no index"
        );
    }

    #[test]
    fn values_that_lie_everywhere_have_no_index_and_nothing_is_excluded() {
        let texts: StringArray = (0..8 * BLOCK_ROWS)
            .map(|row| Some(format!("{}", row % 10)))
            .collect();
        assert!(group_of(&texts).is_none());
        let none = Place {
            offset: 0,
            buckets: 0,
            entries: 0,
        };
        assert_eq!(find(&[], none, "1").unwrap(), None);
    }
}
