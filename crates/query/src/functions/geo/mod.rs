//! Places on the earth. Longitude comes first, in degrees; distances are metres on a sphere.

mod covering;
mod geohash;
mod h3;
mod lines;
mod overlay;
mod polygons;
mod s2;
mod shape;
mod sphere;
mod vector;
mod wkt;

use std::sync::Arc;

use super::Function;
use crate::value::Value;

pub(super) static FUNCTIONS: &[&[Function]] = &[
    covering::FUNCTIONS,
    geohash::FUNCTIONS,
    h3::FUNCTIONS,
    lines::FUNCTIONS,
    polygons::FUNCTIONS,
    s2::FUNCTIONS,
    sphere::FUNCTIONS,
    wkt::FUNCTIONS,
];

/// A point in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    longitude: f64,
    latitude: f64,
}

impl Place {
    fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let is_there = longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
        is_there.then_some(Self {
            longitude,
            latitude,
        })
    }

    /// Two arguments from that one on.
    fn of(args: &[Value], at: usize) -> Option<Self> {
        Self::new(args.get(at)?.as_f64()?, args.get(at + 1)?.as_f64()?)
    }

    fn coordinates(self) -> Value {
        Value::array(vec![
            Value::Real(self.longitude),
            Value::Real(self.latitude),
        ])
    }
}

/// GeoJSON (RFC 7946).
fn geometry(kind: &str, coordinates: Value) -> Value {
    Value::bag(vec![
        (Arc::from("type"), Value::string(kind)),
        (Arc::from("coordinates"), coordinates),
    ])
}

fn point(place: Place) -> Value {
    geometry("Point", place.coordinates())
}

/// A polygon of one ring, closed here.
fn polygon(ring: &[Place]) -> Value {
    let closed = ring.iter().chain(ring.first());
    let ring = closed.map(|place| place.coordinates()).collect();
    geometry("Polygon", Value::array(vec![Value::array(ring)]))
}
