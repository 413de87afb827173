//! Distances and directions on a sphere.

use super::Place;
use crate::functions::Function;
use crate::value::Value;

/// Mean radius of the earth, metres (as S2 has it).
pub(super) const RADIUS: f64 = 6_371_010.0;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::rows("geo_distance_2points", |a| {
        let (from, to) = (Place::of(a, 0)?, Place::of(a, 2)?);
        Some(Value::Real(distance(from, to)))
    }),
    Function::rows("geo_point_in_circle", |a| {
        let (place, centre) = (Place::of(a, 0)?, Place::of(a, 2)?);
        let radius = a.get(4)?.as_f64().filter(|radius| *radius >= 0.0)?;
        Some(Value::Bool(distance(place, centre) <= radius))
    }),
    Function::rows("geo_azimuth", |a| {
        let (from, to) = (Place::of(a, 0)?, Place::of(a, 2)?);
        (from != to).then(|| Value::Real(azimuth(from, to)))
    }),
    Function::rows("geo_line_length", |a| {
        let kind = a[0].property("type");
        let coordinates = a[0].property("coordinates");
        let length = match kind.as_str()? {
            "LineString" => line_length(&coordinates)?,
            "MultiLineString" => {
                let lines = coordinates.as_array()?.iter();
                lines.map(line_length).sum::<Option<f64>>()?
            }
            _ => return None,
        };
        Some(Value::Real(length))
    }),
];

/// Haversine: exact for near points too.
fn distance(from: Place, to: Place) -> f64 {
    let (from_lat, to_lat) = (from.latitude.to_radians(), to.latitude.to_radians());
    let half = |a: f64, b: f64| ((b - a) / 2.0).sin().powi(2);
    let across = half(from.longitude.to_radians(), to.longitude.to_radians());
    let chord = half(from_lat, to_lat) + from_lat.cos() * to_lat.cos() * across;
    2.0 * RADIUS * chord.sqrt().min(1.0).asin()
}

/// From north, clockwise, radians.
pub(super) fn azimuth(from: Place, to: Place) -> f64 {
    let (from_lat, to_lat) = (from.latitude.to_radians(), to.latitude.to_radians());
    let across = (to.longitude - from.longitude).to_radians();
    let east = across.sin() * to_lat.cos();
    let north = from_lat.cos() * to_lat.sin() - from_lat.sin() * to_lat.cos() * across.cos();
    east.atan2(north).rem_euclid(std::f64::consts::TAU)
}

/// At least two different places.
fn line_length(coordinates: &Value) -> Option<f64> {
    let places = coordinates.as_array()?.iter();
    let places: Vec<Place> = places
        .map(|pair| Place::of(pair.as_array()?, 0))
        .collect::<Option<_>>()?;
    if places.len() < 2 {
        return None;
    }
    Some(
        places
            .windows(2)
            .map(|pair| distance(pair[0], pair[1]))
            .sum(),
    )
}
