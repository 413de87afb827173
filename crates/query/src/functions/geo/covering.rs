//! S2 cells of one level that lines and polygons lie in.

use s2::cell::Cell;
use s2::cellid::CellID;

use super::shape::{Area, Line, lines};
use super::vector::{Edge, Vector};
use crate::functions::Function;
use crate::value::Value;

/// Level when none is asked for, and the deepest.
const LEVEL_USUAL: i64 = 11;
const LEVEL_MAX: i64 = 30;
/// Most cells of a covering, as in Kusto.
const CELLS_MAX: usize = 65_536;
/// How far outside of a cell counts as on its side.
const TOUCH: f64 = 1e-15;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::rows("geo_polygon_to_s2cells", |a| {
        let area = Area::read(&a[0])?;
        let edges: Vec<Edge> = area.edges().collect();
        cover(level(a)?, &edges, &|at| area.holds(at))
    }),
    Function::rows("geo_line_to_s2cells", |a| {
        let lines = lines(&a[0])?;
        let edges: Vec<Edge> = lines.iter().flat_map(Line::edges).collect();
        cover(level(a)?, &edges, &|_| false)
    }),
];

fn level(args: &[Value]) -> Option<u64> {
    let level = match args.get(1) {
        None => LEVEL_USUAL,
        Some(level) => level.as_i64()?,
    };
    let is_level = (0..=LEVEL_MAX).contains(&level);
    is_level.then(|| u64::try_from(level).ok())?
}

/// From the six faces down, keeping what meets the shape.
fn cover(level: u64, edges: &[Edge], holds: &dyn Fn(Vector) -> bool) -> Option<Value> {
    let mut cells: Vec<(CellID, Vec<Edge>)> = (0..6)
        .map(|face| (CellID::from_face(face), edges.to_vec()))
        .collect();
    let mut kept = Vec::new();
    for depth in 0..=level {
        kept.clear();
        for (cell, edges) in &cells {
            let corners = corners(*cell);
            let near: Vec<Edge> = edges
                .iter()
                .copied()
                .filter(|edge| meets(&corners, *edge))
                .collect();
            if !near.is_empty() || holds(centre(*cell)) {
                kept.push((*cell, near));
            }
        }
        if kept.len() > CELLS_MAX {
            return None;
        }
        if depth < level {
            cells = kept
                .iter()
                .flat_map(|(cell, edges)| cell.children().map(|child| (child, edges.clone())))
                .collect();
        }
    }
    let tokens = kept.iter().map(|(cell, _)| Value::string(cell.to_token()));
    Some(Value::array(tokens.collect()))
}

fn corners(cell: CellID) -> [Vector; 4] {
    Cell::from(cell)
        .vertices()
        .map(|at| Vector([at.0.x, at.0.y, at.0.z]))
}

fn centre(cell: CellID) -> Vector {
    let at = Cell::from(cell).center();
    Vector([at.0.x, at.0.y, at.0.z])
}

/// Whether an edge crosses a cell, touches it or ends in it.
fn meets(corners: &[Vector; 4], edge: Edge) -> bool {
    let sides = [0, 1, 2, 3].map(|at| Edge {
        from: corners[at],
        to: corners[(at + 1) % 4],
    });
    let inside = |at: Vector| {
        let height = |side: &Edge| side.from.normal(side.to).dot(at);
        sides.iter().all(|side| height(side) >= -TOUCH)
    };
    let touches = |corner: &Vector| edge.nearest(*corner).is_at(*corner);
    inside(edge.from)
        || inside(edge.to)
        || sides.iter().any(|side| side.crossing(edge).is_some())
        || corners.iter().any(touches)
}
