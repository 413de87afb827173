//! The fields of a JSON object, and which columns they are.

use std::collections::HashMap;
use std::fmt;

use atalaya_tables::Table;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Finds the column of a key.
pub(crate) struct Names {
    exact: HashMap<&'static str, usize>,
    lower: HashMap<String, usize>,
    columns: &'static [atalaya_tables::Column],
    /// Column found for the key at each position of the row before.
    order: Vec<Option<usize>>,
}

impl Names {
    pub(crate) fn new(table: &'static Table) -> Self {
        let numbered = || table.columns.iter().enumerate();
        Self {
            exact: numbered()
                .map(|(index, column)| (column.name, index))
                .collect(),
            lower: numbered()
                .map(|(index, column)| (column.name.to_ascii_lowercase(), index))
                .collect(),
            columns: table.columns,
            order: Vec::new(),
        }
    }

    pub(crate) fn find_any_case(&self, key: &str) -> Option<usize> {
        let exact = self.exact.get(key).copied();
        exact.or_else(|| self.lower.get(&key.to_ascii_lowercase()).copied())
    }

    fn find(&mut self, position: usize, key: &str) -> Option<usize> {
        if let Some(Some(guess)) = self.order.get(position)
            && self.columns[*guess].name == key
        {
            return Some(*guess);
        }
        let found = self.exact.get(key).copied();
        if self.order.len() <= position {
            self.order.resize(position + 1, None);
        }
        self.order[position] = found;
        found
    }
}

/// Cells of one JSON object: (column, JSON text of the value).
pub(crate) struct Cells<'a, 'de> {
    pub(crate) names: &'a mut Names,
    /// Where to put fields without a column; then names are also found in any case.
    pub(crate) extra: Option<&'a mut Vec<(String, &'de str)>>,
}

impl<'de> DeserializeSeed<'de> for Cells<'_, 'de> {
    type Value = Vec<(usize, &'de str)>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Cells<'_, 'de> {
    type Value = Vec<(usize, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cells = Vec::with_capacity(self.names.order.len());
        let mut position = 0;
        loop {
            let key = Key {
                names: self.names,
                position,
                keep: self.extra.is_some(),
            };
            let Some(found) = map.next_key_seed(key)? else {
                return Ok(cells);
            };
            position += 1;
            let value: &'de RawValue = map.next_value()?;
            match (found, self.extra.as_mut()) {
                (Found::Column(index), _) => cells.push((index, value.get())),
                (Found::Other(name), Some(extra)) => extra.push((name, value.get())),
                (Found::Other(_), None) => {}
            }
        }
    }
}

enum Found {
    Column(usize),
    Other(String),
}

struct Key<'a> {
    names: &'a mut Names,
    position: usize,
    keep: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Found;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Found, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Found, E> {
        if let Some(index) = self.names.find(self.position, key) {
            return Ok(Found::Column(index));
        }
        if !self.keep {
            return Ok(Found::Other(String::new()));
        }
        Ok(self
            .names
            .find_any_case(key)
            .map_or_else(|| Found::Other(key.to_owned()), Found::Column))
    }
}
