//! Polygons: what lies inside, sizes, centres, unions and intersections.

use super::lines::{nearest, touch};
use super::overlay::{self, Rule};
use super::shape::{Area, Parts, Polygon, Ring};
use super::sphere::RADIUS;
use super::vector::{Edge, Vector};
use super::{Place, point};
use crate::functions::Function;
use crate::value::Value;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::rows("geo_point_in_polygon", |a| {
        let at = Vector::of(Place::of(a, 0)?);
        Some(Value::Bool(Area::read(&a[2])?.holds(at)))
    }),
    Function::rows("geo_closest_point_on_polygon", |a| {
        let (from, to) = nearest_on_polygon(a)?;
        // A place inside is its own nearest, to the digit.
        let place = if from == to {
            Place::of(a, 0)?
        } else {
            to.place()
        };
        Some(point(place))
    }),
    Function::rows("geo_distance_point_to_polygon", |a| {
        let (from, to) = nearest_on_polygon(a)?;
        Some(Value::Real(from.angle(to) * RADIUS))
    }),
    Function::rows("geo_polygon_area", |a| {
        let rings = merged(&Area::read(&a[0])?)?;
        let area: f64 = rings.iter().map(Ring::area).sum();
        Some(Value::Real(area * RADIUS * RADIUS))
    }),
    Function::rows("geo_polygon_perimeter", |a| {
        let rings = merged(&Area::read(&a[0])?)?;
        let length: f64 = rings.iter().flat_map(Ring::edges).map(Edge::length).sum();
        Some(Value::Real(length * RADIUS))
    }),
    Function::rows("geo_polygon_centroid", |a| {
        let rings = merged(&Area::read(&a[0])?)?;
        let edges = rings.iter().flat_map(Ring::edges);
        let sum = edges.fold(Vector::ZERO, |sum, edge| {
            sum.plus(edge.from.normal(edge.to).unit().times(edge.length()))
        });
        Some(point(sum.unit().place()))
    }),
    Function::rows("geo_intersects_2polygons", |a| {
        let (left, right) = (Area::read(&a[0])?, Area::read(&a[1])?);
        let meets = left.corners().any(|at| right.holds(at))
            || right.corners().any(|at| left.holds(at))
            || left
                .edges()
                .any(|mine| right.edges().any(|theirs| touch(mine, theirs)));
        Some(Value::Bool(meets))
    }),
    Function::rows("geo_intersection_2polygons", |a| {
        let (left, right) = (Area::read(&a[0])?, Area::read(&a[1])?);
        let mut parts = Parts {
            polygons: overlay::combine(&left, &right, Rule::Both)?,
            ..Parts::default()
        };
        let met = |at: &Vector| right.corners().any(|corner| corner.is_at(*at));
        for at in left.corners().filter(met) {
            let mut known = parts.polygons.iter().flatten().flatten();
            if !known.any(|corner| corner.is_at(at)) {
                overlay::add_point(&mut parts.points, at);
            }
        }
        Some(parts.write())
    }),
    Function::rows("geo_union_polygons_array", |a| {
        let all = a[0].as_array()?.iter().map(Area::read);
        let all = all.collect::<Option<Vec<_>>>()?;
        let polygons: Vec<Polygon> = all.into_iter().flat_map(|area| area.polygons).collect();
        if polygons.is_empty() {
            return None;
        }
        let polygons = overlay::union(&Area { polygons })?;
        Some(
            Parts {
                polygons,
                ..Parts::default()
            }
            .write(),
        )
    }),
];

fn nearest_on_polygon(args: &[Value]) -> Option<(Vector, Vector)> {
    let from = Vector::of(Place::of(args, 0)?);
    let area = Area::read(args.get(2)?)?;
    if area.holds(from) {
        return Some((from, from));
    }
    Some((from, nearest(area.edges(), from)?))
}

/// Rings of the union, holes clockwise, so that sums over edges count them off.
fn merged(area: &Area) -> Option<Vec<Ring>> {
    let rings = match area.polygons.as_slice() {
        [polygon] => vec![polygon.rings().map(|ring| ring.corners.clone()).collect()],
        _ => overlay::union(area)?,
    };
    let directed = |polygon: Vec<Vec<Vector>>| {
        polygon.into_iter().enumerate().map(|(index, mut corners)| {
            if index > 0 {
                corners.reverse();
            }
            Ring { corners }
        })
    };
    Some(rings.into_iter().flat_map(directed).collect())
}
