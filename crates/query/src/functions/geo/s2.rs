//! S2 cells (s2geometry.io).

use s2::cell::Cell;
use s2::cellid::CellID;
use s2::latlng::LatLng;
use s2::point::Point;

use super::{Place, point, polygon};
use crate::functions::{Function, string, text};
use crate::value::Value;

/// Level when none is asked for, and the deepest.
const LEVEL_USUAL: i64 = 11;
const LEVEL_MAX: i64 = 30;

/// The order in which Kusto names them, by their place in that of S2.
const NEIGHBOURS: [usize; 8] = [7, 5, 4, 2, 6, 1, 3, 0];

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::rows("geo_point_to_s2cell", |a| {
        let level = match a.get(2) {
            None => Some(LEVEL_USUAL),
            Some(level) => level.as_i64(),
        };
        let level = level.filter(|level| (0..=LEVEL_MAX).contains(level));
        let token = Place::of(a, 0).zip(level).and_then(|(place, level)| {
            let at = LatLng::from_degrees(place.latitude, place.longitude);
            Some(
                CellID::from(at)
                    .parent(u64::try_from(level).ok()?)
                    .to_token(),
            )
        });
        string(token.unwrap_or_default())
    }),
    Function::rows("geo_s2cell_neighbors", |a| {
        let cell = cell(a)?;
        let around = cell.all_neighbors(cell.level());
        let mut names: Vec<Value> = around
            .iter()
            .map(|cell| Value::string(cell.to_token()))
            .collect();
        if names.len() == NEIGHBOURS.len() {
            names = NEIGHBOURS.iter().map(|at| names[*at].clone()).collect();
        }
        Some(Value::array(names))
    }),
    Function::rows("geo_s2cell_to_central_point", |a| {
        Some(point(place(&Point::from(cell(a)?))))
    }),
    Function::rows("geo_s2cell_to_polygon", |a| {
        let vertices = Cell::from(cell(a)?).vertices();
        let ring: Vec<Place> = vertices.iter().map(place).collect();
        Some(polygon(&ring))
    }),
];

fn cell(args: &[Value]) -> Option<CellID> {
    let token = text(args, 0)?;
    let is_token =
        (1..=16).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let cell = is_token.then(|| CellID::from_token(&token))?;
    cell.is_valid().then_some(cell)
}

fn place(at: &Point) -> Place {
    let at = LatLng::from(at);
    Place {
        longitude: at.lng.deg(),
        latitude: at.lat.deg(),
    }
}
