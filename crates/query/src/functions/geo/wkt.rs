//! Well-known text (OGC 06-103r4, section 7) to GeoJSON.

use super::shape::collection;
use super::{Place, geometry};
use crate::functions::{Function, text};
use crate::value::Value;

/// Collections inside of collections.
const DEPTH_MAX: usize = 16;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[Function::rows("geo_from_wkt", |a| {
    let text = text(a, 0)?;
    let mut reader = Reader { rest: &text };
    let shape = reader.shape(0)?;
    reader.rest.trim().is_empty().then_some(shape)
})];

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn word(&mut self) -> &'t str {
        let rest = self.rest.trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        word
    }

    fn eat(&mut self, sign: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(sign)?;
        Some(())
    }

    fn shape(&mut self, depth: usize) -> Option<Value> {
        let kind = self.word().to_ascii_uppercase();
        match kind.as_str() {
            "POINT" => {
                self.eat('(')?;
                let at = self.pair()?;
                self.eat(')')?;
                Some(geometry("Point", at))
            }
            "LINESTRING" => Some(geometry("LineString", self.list(Self::pair)?)),
            "POLYGON" => Some(geometry("Polygon", self.list(Self::ring)?)),
            "MULTIPOINT" => Some(geometry("MultiPoint", self.list(Self::bracketed)?)),
            "MULTILINESTRING" => Some(geometry("MultiLineString", self.list(Self::ring)?)),
            "MULTIPOLYGON" => {
                let polygons = self.list(|reader| reader.list(Self::ring))?;
                Some(geometry("MultiPolygon", polygons))
            }
            "GEOMETRYCOLLECTION" if depth < DEPTH_MAX => {
                let shapes = self.list(|reader| reader.shape(depth + 1))?;
                Some(collection(shapes.as_array()?.to_vec()))
            }
            _ => None,
        }
    }

    fn list(&mut self, item: impl Fn(&mut Self) -> Option<Value>) -> Option<Value> {
        self.eat('(')?;
        let mut items = vec![item(self)?];
        while self.eat(',').is_some() {
            items.push(item(self)?);
        }
        self.eat(')')?;
        Some(Value::array(items))
    }

    fn ring(&mut self) -> Option<Value> {
        self.list(Self::pair)
    }

    /// A point of several, with or without brackets.
    fn bracketed(&mut self) -> Option<Value> {
        if self.eat('(').is_none() {
            return self.pair();
        }
        let at = self.pair()?;
        self.eat(')')?;
        Some(at)
    }

    fn pair(&mut self) -> Option<Value> {
        let place = Place {
            longitude: self.number()?,
            latitude: self.number()?,
        };
        Some(place.coordinates())
    }

    fn number(&mut self) -> Option<f64> {
        let rest = self.rest.trim_start();
        let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(end);
        self.rest = rest;
        number
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    }
}
