//! What an organisation adds to the language: stored functions, watchlists, and the files that
//! `externaldata` may read.
//!
//! A library is a folder: `functions/NAME.kql` is a function or a view of that name,
//! `watchlists/ALIAS.csv` is what `_GetWatchlist('ALIAS')` gives, `places.mmdb` is where
//! `geo_info_from_ip_address` looks. External data are named by
//! address and read from files: nothing is fetched from the network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atalaya_kql::WATCHLIST;
use atalaya_kql::bound::ColumnDef;

use crate::files::{FileTableError, FileTables};
use crate::places::{Places, PlacesError};
use crate::source::{SourceError, StoredTable, TableSource};

/// Most functions, and most watchlists.
const ENTRIES_MAX: usize = 10_000;
/// Longest stored function, bytes.
const FUNCTION_BYTES_MAX: u64 = 256 << 10;

/// Why a library cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A folder or file cannot be read.
    #[error("{path}: {reason}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A function is not KQL.
    #[error("{path}: {reason}")]
    Function {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A watchlist is no table.
    #[error(transparent)]
    Watchlist(#[from] FileTableError),
    /// The database of places is none.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// There are too many.
    #[error("{path}: more than {ENTRIES_MAX} files")]
    TooMany {
        /// Which folder.
        path: PathBuf,
    },
}

/// Watchlists that change while an engine runs. Files of the library come before them.
pub trait LiveWatchlists: Send + Sync {
    /// The columns of a list; `None` if there is none of that name.
    fn columns(&self, alias: &str) -> Option<Vec<ColumnDef>>;
    /// Its entries now, as JSON lines.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn rows(&self, alias: &str) -> Result<Vec<u8>, String>;
}

/// Addresses that `externaldata` may name, and where their data lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalData {
    /// What an address starts with.
    pub url: String,
    /// A file, or the folder that the rest of the address is a path in.
    pub path: PathBuf,
}

/// Stored functions, watchlists and allowed external data.
#[derive(Clone, Default)]
pub struct Library {
    functions: BTreeMap<String, String>,
    watchlists: Arc<FileTables>,
    live: Option<Arc<dyn LiveWatchlists>>,
    external: Vec<ExternalData>,
    places: Option<Places>,
}

impl Library {
    /// Reads a library's folder.
    ///
    /// # Errors
    /// When something in it is not what it should be.
    pub fn open(folder: &Path) -> Result<Self, LibraryError> {
        let mut functions = BTreeMap::new();
        for (name, path) in files(&folder.join("functions"), "kql")? {
            let text = function(&path)?;
            functions.insert(name, text);
        }
        let mut watchlists = FileTables::new();
        for (alias, path) in files(&folder.join("watchlists"), "csv")? {
            watchlists.add_watchlist(&format!("{WATCHLIST}{alias}"), &path)?;
        }
        Ok(Self {
            functions,
            watchlists: Arc::new(watchlists),
            live: None,
            external: Vec::new(),
            places: places(&folder.join("places.mmdb"))?,
        })
    }

    /// Allows external data.
    #[must_use]
    pub fn with_external_data(mut self, allowed: impl IntoIterator<Item = ExternalData>) -> Self {
        self.external.extend(allowed);
        self
    }

    /// Offers watchlists that change, behind those of the library's folder.
    #[must_use]
    pub fn with_live_watchlists(mut self, live: Arc<dyn LiveWatchlists>) -> Self {
        self.live = Some(live);
        self
    }

    fn watchlist_columns(&self, name: &str) -> Option<Vec<ColumnDef>> {
        let of_file = self.watchlists.columns(name);
        of_file.or_else(|| {
            let alias = name.strip_prefix(WATCHLIST)?;
            self.live.as_ref()?.columns(alias)
        })
    }

    fn watchlist(&self, name: &str) -> Result<StoredTable, SourceError> {
        let fail = |reason: String| SourceError {
            table: name.to_owned(),
            reason,
        };
        let live = self
            .live
            .as_ref()
            .filter(|_| self.watchlists.columns(name).is_none());
        let (Some(live), Some(alias)) = (live, name.strip_prefix(WATCHLIST)) else {
            return self.watchlists.snapshot(name);
        };
        let columns = live.columns(alias);
        let columns = columns.ok_or_else(|| fail("there is no such watchlist".to_owned()))?;
        let rows = live.rows(alias).map_err(fail)?;
        let mut table = FileTables::new();
        table
            .add_known(name, &rows, columns)
            .map_err(|error| fail(error.to_string()))?;
        table.snapshot(name)
    }

    pub(crate) fn places(&self) -> Option<Places> {
        self.places.clone()
    }

    pub(crate) fn function(&self, name: &str) -> Option<&str> {
        self.functions.get(name).map(String::as_str)
    }

    /// The file behind an address, by the longest start that is allowed.
    fn external(&self, url: &str) -> Option<PathBuf> {
        let known = self
            .external
            .iter()
            .filter(|known| url.starts_with(&known.url));
        let known = known.max_by_key(|known| known.url.len())?;
        if !known.path.is_dir() {
            return Some(known.path.clone());
        }
        let rest = &url[known.url.len()..];
        let rest = rest.split(['?', '#', ';']).next().unwrap_or_default();
        let mut path = known.path.clone();
        for part in rest.split('/').filter(|part| !part.is_empty()) {
            if part == ".." || part.contains(['\\', ':', '\0']) {
                return None;
            }
            path.push(part);
        }
        Some(path)
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library")
            .field("functions", &self.functions.len())
            .field("external", &self.external.len())
            .finish_non_exhaustive()
    }
}

fn places(path: &Path) -> Result<Option<Places>, LibraryError> {
    Ok(if path.exists() {
        Some(Places::open(path)?)
    } else {
        None
    })
}

/// Files of one kind in a folder, by the names before their extension; no folder is none.
fn files(folder: &Path, extension: &str) -> Result<Vec<(String, PathBuf)>, LibraryError> {
    let io = |reason| LibraryError::Io {
        path: folder.to_owned(),
        reason,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(io)?.path();
        let is_kind = path.extension().is_some_and(|own| own == extension);
        if let Some(name) = path.file_stem().and_then(|name| name.to_str())
            && is_kind
        {
            found.push((name.to_owned(), path.clone()));
        }
        if found.len() > ENTRIES_MAX {
            return Err(LibraryError::TooMany {
                path: folder.to_owned(),
            });
        }
    }
    found.sort();
    Ok(found)
}

fn function(path: &Path) -> Result<String, LibraryError> {
    let io = |reason| LibraryError::Io {
        path: path.to_owned(),
        reason,
    };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if bytes > FUNCTION_BYTES_MAX {
        return Err(LibraryError::Function {
            path: path.to_owned(),
            reason: format!("{bytes} bytes, at most {FUNCTION_BYTES_MAX} are read"),
        });
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let name = path.file_stem().and_then(|name| name.to_str());
    match atalaya_kql::check_stored_function(name.unwrap_or_default(), &text) {
        None => Ok(text),
        Some(reason) => Err(LibraryError::Function {
            path: path.to_owned(),
            reason,
        }),
    }
}

/// The tables of a source, and behind them the watchlists and external data of a library.
pub(crate) struct WithLibrary {
    pub(crate) source: Arc<dyn TableSource>,
    pub(crate) library: Arc<Library>,
}

impl TableSource for WithLibrary {
    fn columns(&self, name: &str) -> Option<Vec<ColumnDef>> {
        if name.starts_with(WATCHLIST) {
            return self.library.watchlist_columns(name);
        }
        self.source.columns(name)
    }

    fn names(&self) -> Vec<String> {
        self.source.names()
    }

    fn snapshot(&self, name: &str) -> Result<StoredTable, SourceError> {
        if name.starts_with(WATCHLIST) {
            return self.library.watchlist(name);
        }
        self.source.snapshot(name)
    }

    fn external(&self, url: &str) -> Option<PathBuf> {
        self.library.external(url)
    }
}
