//! H3 cells (h3geo.org).

use h3o::{CellIndex, LatLng, Resolution};

use super::{Place, point, polygon};
use crate::functions::{Function, string, text};
use crate::value::Value;

/// Resolution when none is asked for.
const RESOLUTION_USUAL: i64 = 6;
/// Most rings around a cell, as in Kusto.
const RINGS_MAX: i64 = 142;
/// How many levels below a cell its children may lie: seven times as many with each.
const CHILD_LEVELS_MAX: u8 = 5;

/// The order in which Kusto names the six around a cell, by their place in that of H3.
const NEIGHBOURS: [usize; 6] = [0, 2, 1, 5, 4, 3];

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::rows("geo_point_to_h3cell", |a| {
        let level = match a.get(2) {
            None => resolution(RESOLUTION_USUAL),
            Some(level) => level.as_i64().and_then(resolution),
        };
        let cell = Place::of(a, 0).zip(level).and_then(|(place, level)| {
            let place = LatLng::new(place.latitude, place.longitude).ok()?;
            Some(place.to_cell(level))
        });
        string(cell.map_or_else(String::new, |cell| cell.to_string()))
    }),
    Function::rows("geo_h3cell_to_central_point", |a| {
        Some(point(place(LatLng::from(cell(a)?))))
    }),
    Function::rows("geo_h3cell_to_polygon", |a| {
        let ring: Vec<Place> = cell(a)?.boundary().iter().map(|at| place(*at)).collect();
        Some(polygon(&ring))
    }),
    Function::rows("geo_h3cell_level", |a| {
        Some(Value::Long(u8::from(cell(a)?.resolution()).into()))
    }),
    Function::rows("geo_h3cell_parent", |a| {
        let parent = cell(a).and_then(|cell| {
            let level = match a.get(1) {
                None => cell.resolution().pred()?,
                Some(level) => resolution(level.as_i64()?)?,
            };
            cell.parent(level)
        });
        string(parent.map_or_else(String::new, |cell| cell.to_string()))
    }),
    Function::rows("geo_h3cell_children", |a| {
        let cell = cell(a)?;
        let level = match a.get(1) {
            None => cell.resolution().succ()?,
            Some(level) => resolution(level.as_i64()?)?,
        };
        let below = u8::from(level).checked_sub(u8::from(cell.resolution()))?;
        (below <= CHILD_LEVELS_MAX).then(|| names(cell.children(level)))
    }),
    Function::rows("geo_h3cell_neighbors", |a| {
        let around: Vec<_> = cell(a)?
            .edges()
            .map(h3o::DirectedEdgeIndex::destination)
            .collect();
        let order: &[usize] = match around.len() {
            6 => &NEIGHBOURS,
            _ => &[0, 1, 2, 3, 4],
        };
        Some(names(
            order.iter().filter_map(|at| around.get(*at).copied()),
        ))
    }),
    Function::rows("geo_h3cell_rings", |a| {
        let cell = cell(a)?;
        let rings = a.get(1)?.as_i64().filter(|k| (0..=RINGS_MAX).contains(k))?;
        let ring = |k: i64| {
            let k = u32::try_from(k).unwrap_or(0);
            // Kusto starts one side later.
            let mut ring = cell.grid_ring::<Vec<_>>(k);
            let side = usize::try_from(k).unwrap_or(0).min(ring.len());
            ring.rotate_left(side);
            names(ring.into_iter())
        };
        Some(Value::array((0..=rings).map(ring).collect()))
    }),
];

fn resolution(level: i64) -> Option<Resolution> {
    Resolution::try_from(u8::try_from(level).ok()?).ok()
}

fn cell(args: &[Value]) -> Option<CellIndex> {
    text(args, 0)?.parse().ok()
}

fn place(at: LatLng) -> Place {
    Place {
        longitude: at.lng(),
        latitude: at.lat(),
    }
}

fn names(cells: impl Iterator<Item = CellIndex>) -> Value {
    Value::array(cells.map(|cell| Value::string(cell.to_string())).collect())
}
