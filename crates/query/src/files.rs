//! Files as tables: `--table Name=FILE`.
//!
//! Parquet is scanned where it lies; CSV and JSON lines are read into memory once. A file under
//! the name of a log table gets that table's column types, so that the built-in queries run on
//! exports; other columns get the narrowest type that all their values fit.

mod external;
mod infer;
mod read;
mod times;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use atalaya_kql::bound::{ColumnDef, Type as BoundType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

pub(crate) use external::read_external;

use crate::source::{SourceError, StoredFile, StoredTable, TableSource};

/// Most files of one pattern.
const FILES_MAX: usize = 10_000;
/// Largest CSV or JSON file, bytes.
pub(crate) const TEXT_FILE_BYTES_MAX: u64 = 1 << 30;

/// Why a file cannot be a table. The text never holds data of the file.
#[derive(Debug, thiserror::Error)]
pub enum FileTableError {
    /// It cannot be read.
    #[error("{path}: {reason}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// Its name says nothing about its format.
    #[error("{path}: the format is not known; name it .csv, .jsonl, .ndjson, .json or .parquet")]
    UnknownFormat {
        /// Which file.
        path: PathBuf,
    },
    /// A pattern names no file.
    #[error("{path}: there is no such file")]
    NoFile {
        /// The pattern.
        path: PathBuf,
    },
    /// A pattern names too many files.
    #[error("{path}: more than {FILES_MAX} files; narrow the pattern")]
    TooMany {
        /// The pattern.
        path: PathBuf,
    },
    /// A file of several has other columns than those before it.
    #[error("{path}: its columns are not those of the other files; make it a table of its own")]
    OtherColumns {
        /// Which file.
        path: PathBuf,
    },
    /// It is not what its name says.
    #[error("{path}:{line}: {reason}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
    /// It is too large to be held in memory.
    #[error(
        "{path}: {bytes} bytes, at most {TEXT_FILE_BYTES_MAX} are read as text; convert it to Parquet"
    )]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large.
        bytes: u64,
    },
    /// A column that Kusto has no type for.
    #[error("{path}: column {column} is {kind}, which has no Kusto type; flatten it or drop it")]
    ColumnType {
        /// Which file.
        path: PathBuf,
        /// Which column.
        column: String,
        /// Its type.
        kind: String,
    },
}

struct FileTable {
    columns: Vec<ColumnDef>,
    stored: StoredTable,
}

/// Tables of files, before the tables of another source.
#[derive(Default)]
pub struct FileTables {
    tables: BTreeMap<String, FileTable>,
    behind: Option<Arc<dyn TableSource>>,
}

impl FileTables {
    /// Files only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Files first, then another source.
    #[must_use]
    pub fn before(source: Arc<dyn TableSource>) -> Self {
        Self {
            tables: BTreeMap::new(),
            behind: Some(source),
        }
    }

    /// Adds a file as a table.
    ///
    /// # Errors
    /// See [`FileTableError`].
    pub fn add(&mut self, name: &str, path: &Path) -> Result<(), FileTableError> {
        let pattern = path.to_string_lossy();
        if pattern.contains(['*', '?', '[']) && !path.exists() {
            let table = Self::of_pattern(name, &pattern, path)?;
            self.tables.insert(name.to_owned(), table);
            return Ok(());
        }
        let table = Self::read(name, path)?;
        self.tables.insert(name.to_owned(), table);
        Ok(())
    }

    /// All files that a pattern names, one after the other, by their names.
    fn of_pattern(name: &str, pattern: &str, path: &Path) -> Result<FileTable, FileTableError> {
        let nothing = || FileTableError::NoFile {
            path: path.to_owned(),
        };
        let found = glob::glob(pattern).map_err(|_| nothing())?;
        let files: Vec<PathBuf> = found.flatten().take(FILES_MAX + 1).collect();
        if files.len() > FILES_MAX {
            return Err(FileTableError::TooMany {
                path: path.to_owned(),
            });
        }
        let mut all: Option<FileTable> = None;
        for file in files {
            let next = Self::read(name, &file)?;
            match &mut all {
                None => all = Some(next),
                Some(all) if all.columns == next.columns => {
                    all.stored.files.extend(next.stored.files);
                    all.stored.batches.extend(next.stored.batches);
                }
                Some(_) => return Err(FileTableError::OtherColumns { path: file }),
            }
        }
        all.ok_or_else(nothing)
    }

    fn read(name: &str, path: &Path) -> Result<FileTable, FileTableError> {
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let known = atalaya_tables::find(name).map(atalaya_kql::columns);
        match extension.as_str() {
            "parquet" => parquet_table(path),
            "csv" => read::csv(&open_text(path)?, known, path),
            "jsonl" | "ndjson" | "json" => read::json(&open_text(path)?, known, path),
            _ => Err(FileTableError::UnknownFormat {
                path: path.to_owned(),
            }),
        }
    }

    /// Adds a CSV file as a watchlist: all columns are text, and `SearchKey` is the first one
    /// unless the file has its own.
    ///
    /// # Errors
    /// See [`FileTableError`].
    pub(crate) fn add_watchlist(&mut self, name: &str, path: &Path) -> Result<(), FileTableError> {
        let table = read::watchlist(&open_text(path)?, path)?;
        self.tables.insert(name.to_owned(), table);
        Ok(())
    }

    /// Adds JSON lines as a table of these columns, also with no line at all.
    ///
    /// # Errors
    /// When a line is not a JSON object.
    pub(crate) fn add_known(
        &mut self,
        name: &str,
        json_lines: &[u8],
        columns: Vec<ColumnDef>,
    ) -> Result<(), FileTableError> {
        let table = read::json(json_lines, Some(columns), Path::new(name))?;
        self.tables.insert(name.to_owned(), table);
        Ok(())
    }

    /// Adds JSON lines as a table; a log table keeps its columns, also with no line at all.
    ///
    /// # Errors
    /// When a line is not a JSON object.
    pub fn add_rows(&mut self, name: &str, json_lines: &[u8]) -> Result<(), FileTableError> {
        let known = atalaya_tables::find(name).map(atalaya_kql::columns);
        let table = read::json(json_lines, known, Path::new(name))?;
        self.tables.insert(name.to_owned(), table);
        Ok(())
    }
}

impl TableSource for FileTables {
    fn columns(&self, name: &str) -> Option<Vec<ColumnDef>> {
        match self.tables.get(name) {
            Some(table) => Some(table.columns.clone()),
            None => self.behind.as_ref()?.columns(name),
        }
    }

    fn names(&self) -> Vec<String> {
        let behind = self.behind.as_ref().map(|source| source.names());
        let mut names: Vec<String> = self.tables.keys().cloned().collect();
        names.extend(behind.into_iter().flatten());
        names.sort_unstable();
        names.dedup();
        names
    }

    fn snapshot(&self, name: &str) -> Result<StoredTable, SourceError> {
        match (self.tables.get(name), &self.behind) {
            (Some(table), _) => Ok(table.stored.clone()),
            (None, Some(source)) => source.snapshot(name),
            (None, None) => Err(SourceError {
                table: name.to_owned(),
                reason: "there is no such table".to_owned(),
            }),
        }
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> FileTableError + use<> {
    let path = path.to_owned();
    move |reason| FileTableError::Io { path, reason }
}

fn open_text(path: &Path) -> Result<Vec<u8>, FileTableError> {
    let bytes = std::fs::metadata(path).map_err(io(path))?.len();
    if bytes > TEXT_FILE_BYTES_MAX {
        return Err(FileTableError::TooLarge {
            path: path.to_owned(),
            bytes,
        });
    }
    std::fs::read(path).map_err(io(path))
}

fn parquet_table(path: &Path) -> Result<FileTable, FileTableError> {
    let path = &path.canonicalize().map_err(io(path))?;
    let file = File::open(path).map_err(io(path))?;
    let size_bytes = file.metadata().map_err(io(path))?.len();
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|_| FileTableError::Malformed {
            path: path.clone(),
            line: 1,
            reason: "this is not a Parquet file, or it is damaged".to_owned(),
        })?;
    let schema = Arc::clone(reader.schema());
    let times = times::times(&reader);
    Ok(FileTable {
        columns: kusto_columns(&schema, path)?,
        stored: StoredTable {
            schema,
            files: vec![StoredFile {
                path: path.clone(),
                size_bytes,
                times,
            }],
            batches: Vec::new(),
        },
    })
}

fn kusto_columns(schema: &SchemaRef, path: &Path) -> Result<Vec<ColumnDef>, FileTableError> {
    let fields = schema.fields().iter();
    fields
        .map(|field| {
            let ty = kusto_type(field.data_type()).ok_or_else(|| FileTableError::ColumnType {
                path: path.to_owned(),
                column: field.name().clone(),
                kind: field.data_type().to_string(),
            })?;
            Ok(ColumnDef {
                name: field.name().clone(),
                ty,
                range: None,
            })
        })
        .collect()
}

const fn kusto_type(stored: &DataType) -> Option<BoundType> {
    Some(match stored {
        DataType::Boolean => BoundType::Bool,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            BoundType::Int
        }
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => BoundType::Long,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => BoundType::Real,
        DataType::Decimal128(..) | DataType::Decimal256(..) => BoundType::Decimal,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => BoundType::String,
        DataType::Timestamp(..) => BoundType::DateTime,
        _ => return None,
    })
}
