//! The mappings that are compiled in. The folders in `sources/` at the root of the repository are
//! their only source; `build.rs` lists them.

use std::sync::LazyLock;

use crate::Mapping;

/// A mapping with its sample.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinSource {
    /// The mapping, YAML.
    pub mapping: &'static str,
    /// A sample of the log.
    pub sample: &'static str,
    /// The rows that the sample becomes, YAML.
    pub expected: &'static str,
}

const SOURCES: &[BuiltinSource] = include!(concat!(env!("OUT_DIR"), "/builtin_sources.rs"));

/// Every built-in mapping as text, with sample and expected rows.
#[must_use]
pub const fn sources() -> &'static [BuiltinSource] {
    SOURCES
}

static MAPPINGS: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    // A test holds every file to being readable, so none is left out here.
    let read = SOURCES
        .iter()
        .filter_map(|s| Mapping::parse(s.mapping).ok());
    read.collect()
});

/// The built-in mapping of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Mapping> {
    MAPPINGS.iter().find(|mapping| mapping.name() == name)
}

/// Name, table and title of every built-in mapping.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    MAPPINGS
        .iter()
        .map(|mapping| (mapping.name(), mapping.table().name, mapping.title()))
}
