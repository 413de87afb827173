//! Where addresses are: a database in MaxMind's format (`GeoLite2-City.mmdb` and the like) that the
//! organisation brings. Nothing is shipped and nothing is fetched.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::{Reader, geoip2};

use crate::value::Value;

/// Largest database, bytes.
const DATABASE_BYTES_MAX: u64 = 512 << 20;

tokio::task_local! {
    /// What the query that is being planned asks.
    static PLACES: Option<Places>;
}

/// A database, shared by all queries.
#[derive(Clone)]
pub(crate) struct Places(Arc<Reader<Vec<u8>>>);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    /// The file cannot be read.
    #[error("{path}: {reason}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file is too large.
    #[error("{path}: {bytes} bytes, at most {DATABASE_BYTES_MAX} are read")]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large.
        bytes: u64,
    },
    /// The file is something else.
    #[error("{path}: not a database of places in MaxMind's format (.mmdb): {reason}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Places {
    pub(crate) fn open(path: &Path) -> Result<Self, PlacesError> {
        let io = |reason| PlacesError::Io {
            path: path.to_owned(),
            reason,
        };
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if bytes > DATABASE_BYTES_MAX {
            return Err(PlacesError::TooLarge {
                path: path.to_owned(),
                bytes,
            });
        }
        let data = std::fs::read(path).map_err(io)?;
        let reader = Reader::from_source(data).map_err(|reason| PlacesError::Malformed {
            path: path.to_owned(),
            reason: reason.to_string(),
        })?;
        Ok(Self(Arc::new(reader)))
    }

    /// Plans a query that may ask `places`.
    pub(crate) async fn during<F: Future>(places: Option<Self>, planning: F) -> F::Output {
        PLACES.scope(places, planning).await
    }

    /// What the query that is being planned may ask.
    pub(crate) fn current() -> Option<Self> {
        PLACES.try_with(Clone::clone).ok().flatten()
    }

    /// Country, state, city, latitude and longitude, as far as they are known.
    pub(crate) fn of(&self, address: IpAddr) -> Option<Value> {
        let found = self.0.lookup(address).ok()?;
        let place: geoip2::City<'_> = found.decode().ok()??;
        let state = place.subdivisions.first().and_then(|s| s.names.english);
        let texts = [
            ("country", place.country.names.english),
            ("state", state),
            ("city", place.city.names.english),
        ];
        let numbers = [
            ("latitude", place.location.latitude),
            ("longitude", place.location.longitude),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(key, text)| Some((Arc::from(key), Value::string(text?))));
        let numbers = numbers
            .into_iter()
            .filter_map(|(key, number)| Some((Arc::from(key), Value::Real(number?))));
        Some(Value::bag(texts.chain(numbers).collect()))
    }
}
