//! Lines: distances, middles and crossings.

use super::overlay;
use super::shape::{Area, Line, Parts, lines};
use super::sphere::RADIUS;
use super::vector::{Edge, Vector};
use super::{Place, point};
use crate::functions::Function;
use crate::value::Value;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::rows("geo_angle", |a| {
        let [from, middle, to] = [Place::of(a, 0)?, Place::of(a, 2)?, Place::of(a, 4)?];
        if from == middle || middle == to {
            return None;
        }
        let turn = super::sphere::azimuth(middle, to) - super::sphere::azimuth(middle, from);
        Some(Value::Real(turn.rem_euclid(std::f64::consts::TAU)))
    }),
    Function::rows("geo_closest_point_on_line", |a| {
        Some(point(nearest_on_line(a)?.1.place()))
    }),
    Function::rows("geo_distance_point_to_line", |a| {
        let (from, to) = nearest_on_line(a)?;
        Some(Value::Real(from.angle(to) * RADIUS))
    }),
    Function::rows("geo_line_centroid", |a| {
        let sum = lines(&a[0])?
            .iter()
            .flat_map(Line::edges)
            .fold(Vector::ZERO, |sum, edge| sum.plus(edge_centroid(edge)));
        Some(point(sum.unit().place()))
    }),
    Function::rows("geo_line_interpolate_point", |a| {
        let share = a
            .get(1)?
            .as_f64()
            .filter(|share| (0.0..=1.0).contains(share))?;
        let lines = lines(&a[0])?;
        let [line] = lines.as_slice() else {
            return None;
        };
        Some(point(interpolate(line, share)?.place()))
    }),
    Function::rows("geo_line_locate_point", |a| {
        let at = Vector::of(Place::of(a, 1)?);
        let lines = lines(&a[0])?;
        let [line] = lines.as_slice() else {
            return None;
        };
        Some(Value::Real(locate(line, at)?))
    }),
    Function::rows("geo_intersects_2lines", |a| {
        let (left, right) = (lines(&a[0])?, lines(&a[1])?);
        let meets = edges(&left).any(|mine| edges(&right).any(|theirs| touch(mine, theirs)));
        Some(Value::Bool(meets))
    }),
    Function::rows("geo_intersection_2lines", |a| {
        let (left, right) = (lines(&a[0])?, lines(&a[1])?);
        Some(shared(&left, &right).write())
    }),
    Function::rows("geo_intersects_line_with_polygon", |a| {
        let (lines, area) = (lines(&a[0])?, Area::read(&a[1])?);
        let meets = edges(&lines).any(|edge| {
            area.holds(edge.from)
                || area.holds(edge.to)
                || area.edges().any(|side| touch(edge, side))
        });
        Some(Value::Bool(meets))
    }),
    Function::rows("geo_intersection_line_with_polygon", |a| {
        let (lines, area) = (lines(&a[0])?, Area::read(&a[1])?);
        Some(inside(&lines, &area).write())
    }),
    Function::rows("geo_union_lines_array", |a| {
        let all = a[0].as_array()?.iter().map(lines);
        let all: Vec<Line> = all
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        (!all.is_empty()).then(|| union(&all).write())
    }),
];

fn edges(lines: &[Line]) -> impl Iterator<Item = Edge> + '_ {
    lines.iter().flat_map(Line::edges)
}

/// Whether edges cross or share an end.
pub(super) fn touch(mine: Edge, theirs: Edge) -> bool {
    let ends = [mine.from, mine.to];
    let shares = ends
        .iter()
        .any(|end| end.is_at(theirs.from) || end.is_at(theirs.to));
    shares || mine.crossing(theirs).is_some()
}

fn nearest_on_line(args: &[Value]) -> Option<(Vector, Vector)> {
    let from = Vector::of(Place::of(args, 0)?);
    let lines = lines(args.get(2)?)?;
    Some((from, nearest(edges(&lines), from)?))
}

/// The point on some edge that is nearest.
pub(super) fn nearest(edges: impl Iterator<Item = Edge>, from: Vector) -> Option<Vector> {
    let points = edges.map(|edge| edge.nearest(from));
    points.min_by(|a, b| from.angle(*a).total_cmp(&from.angle(*b)))
}

/// The centre of mass of an edge, times its length.
fn edge_centroid(edge: Edge) -> Vector {
    let (apart, sum) = (edge.from.minus(edge.to), edge.from.plus(edge.to));
    let (sin2, cos2) = (apart.dot(apart), sum.dot(sum));
    if cos2 == 0.0 {
        return Vector::ZERO;
    }
    sum.times((sin2 / cos2).sqrt())
}

fn interpolate(line: &Line, share: f64) -> Option<Vector> {
    let total: f64 = line.edges().map(Edge::length).sum();
    let mut left = share * total;
    for edge in line.edges() {
        let length = edge.length();
        if left < length {
            let toward = edge.from.normal(edge.to).cross(edge.from).unit();
            let along = edge.from.times(left.cos()).plus(toward.times(left.sin()));
            return Some(along.unit());
        }
        left -= length;
    }
    line.points.last().copied()
}

/// Where on a line the point lies that is nearest: its share of the line's length.
fn locate(line: &Line, at: Vector) -> Option<f64> {
    let total: f64 = line.edges().map(Edge::length).sum();
    let mut before = 0.0;
    let mut best: Option<(f64, f64)> = None;
    for edge in line.edges() {
        let nearest = edge.nearest(at);
        let apart = at.angle(nearest);
        if best.is_none_or(|(known, _)| apart < known) {
            best = Some((apart, before + edge.from.angle(nearest)));
        }
        before += edge.length();
    }
    let (_, along) = best?;
    Some((along / total).clamp(0.0, 1.0))
}

/// Points where lines cross or meet, and edges that both have.
fn shared(left: &[Line], right: &[Line]) -> Parts {
    let mut parts = Parts::default();
    let mut common: Vec<Edge> = Vec::new();
    for mine in edges(left) {
        for theirs in edges(right) {
            if mine.is_same(theirs) {
                common.push(mine);
            } else if let Some(at) = mine.crossing(theirs) {
                overlay::add_point(&mut parts.points, at);
            }
        }
    }
    parts.lines = overlay::chains(&common);
    for mine in left.iter().flat_map(|line| &line.points) {
        let is_met = right
            .iter()
            .flat_map(|line| &line.points)
            .any(|theirs| theirs.is_at(*mine));
        if is_met && !parts.lines.iter().flatten().any(|at| at.is_at(*mine)) {
            overlay::add_point(&mut parts.points, *mine);
        }
    }
    parts
}

/// The parts of lines inside of an area.
fn inside(lines: &[Line], area: &Area) -> Parts {
    let mut parts = Parts::default();
    for line in lines {
        let mut kept = Vec::new();
        for edge in line.edges() {
            kept.extend(
                pieces(edge, area.edges())
                    .into_iter()
                    .filter(|piece| area.holds(piece.middle())),
            );
        }
        parts.lines.extend(overlay::chains(&kept));
    }
    let corners = lines.iter().flat_map(|line| &line.points);
    for at in corners {
        let is_met = area.corners().any(|corner| corner.is_at(*at));
        if is_met && !parts.lines.iter().flatten().any(|kept| kept.is_at(*at)) {
            overlay::add_point(&mut parts.points, *at);
        }
    }
    parts
}

/// An edge cut where others cross it.
fn pieces(edge: Edge, others: impl Iterator<Item = Edge>) -> Vec<Edge> {
    let mut cuts: Vec<Vector> = others.filter_map(|other| edge.crossing(other)).collect();
    cuts.sort_by(|a, b| edge.from.angle(*a).total_cmp(&edge.from.angle(*b)));
    cuts.insert(0, edge.from);
    cuts.push(edge.to);
    let pairs = cuts.windows(2).map(|pair| Edge {
        from: pair[0],
        to: pair[1],
    });
    pairs.filter(|piece| !piece.from.is_at(piece.to)).collect()
}

/// All edges once, cut where they cross, joined to lines.
fn union(lines: &[Line]) -> Parts {
    let mut once: Vec<Edge> = Vec::new();
    for edge in edges(lines) {
        let others = edges(lines).filter(|other| !other.is_same(edge));
        for piece in pieces(edge, others) {
            if !once.iter().any(|known| known.is_same(piece)) {
                once.push(piece);
            }
        }
    }
    Parts {
        lines: overlay::chains(&once),
        ..Parts::default()
    }
}
