//! Lines and polygons of GeoJSON (RFC 7946): read, checked and written.

use super::vector::{Edge, Vector};
use super::{Place, geometry};
use crate::value::Value;

/// Most corners of one shape.
const CORNERS_MAX: usize = 100_000;

/// A line of at least two different points.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) points: Vec<Vector>,
}

impl Line {
    fn read(coordinates: &Value) -> Option<Self> {
        let points = points(coordinates)?;
        let moves = points.windows(2).any(|pair| !pair[0].is_at(pair[1]));
        moves.then_some(Self { points })
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        self.points.windows(2).map(|pair| Edge {
            from: pair[0],
            to: pair[1],
        })
    }
}

/// Corners of a closed ring, the first not repeated, with the smaller side on the left.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) corners: Vec<Vector>,
}

impl Ring {
    fn read(coordinates: &Value) -> Option<Self> {
        let mut corners = points(coordinates)?;
        let last = corners.pop()?;
        if corners.len() < 3 || !last.is_at(corners[0]) {
            return None;
        }
        let mut ring = Self { corners };
        if ring.edges().any(|edge| edge.from.is_at(edge.to)) {
            return None;
        }
        if ring.area() < 0.0 {
            ring.corners.reverse();
        }
        Some(ring)
    }

    /// Edges one after the other, the last back to the start.
    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        let next = self.corners.iter().cycle().skip(1);
        self.corners.iter().zip(next).map(|(from, to)| Edge {
            from: *from,
            to: *to,
        })
    }

    /// Steradians, positive where the inside is on the left (van Oosterom and Strackee, 1983).
    pub(super) fn area(&self) -> f64 {
        let first = self.corners[0];
        self.corners[1..]
            .windows(2)
            .map(|pair| {
                let (a, b, c) = (first, pair[0], pair[1]);
                let volume = b.minus(a).cross(c.minus(a)).dot(a);
                2.0 * volume.atan2(1.0 + a.dot(b) + b.dot(c) + c.dot(a))
            })
            .sum()
    }

    /// How often the ring goes around a point.
    pub(super) fn holds(&self, point: Vector) -> bool {
        let turn = |edge: Edge| {
            let flat = |to: Vector| to.minus(point.times(to.dot(point)));
            let (from, to) = (flat(edge.from), flat(edge.to));
            from.cross(to).dot(point).atan2(from.dot(to))
        };
        let turns: f64 = self.edges().map(turn).sum();
        turns > std::f64::consts::PI
    }
}

/// Outer rings and their holes.
#[derive(Clone, Debug)]
pub(super) struct Polygon {
    pub(super) outer: Ring,
    pub(super) holes: Vec<Ring>,
}

impl Polygon {
    fn read(coordinates: &Value) -> Option<Self> {
        let rings = coordinates.as_array()?.iter().map(Ring::read);
        let mut rings = rings.collect::<Option<Vec<_>>>()?.into_iter();
        Some(Self {
            outer: rings.next()?,
            holes: rings.collect(),
        })
    }

    pub(super) fn holds(&self, point: Vector) -> bool {
        self.outer.holds(point) && !self.holes.iter().any(|hole| hole.holds(point))
    }

    pub(super) fn rings(&self) -> impl Iterator<Item = &Ring> {
        std::iter::once(&self.outer).chain(&self.holes)
    }
}

/// One or several polygons.
#[derive(Clone, Debug)]
pub(super) struct Area {
    pub(super) polygons: Vec<Polygon>,
}

impl Area {
    /// `Polygon` or `MultiPolygon`.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let coordinates = value.property("coordinates");
        let polygons = match value.property("type").as_str()? {
            "Polygon" => vec![Polygon::read(&coordinates)?],
            "MultiPolygon" => {
                let each = coordinates.as_array()?.iter().map(Polygon::read);
                each.collect::<Option<Vec<_>>>()?
            }
            _ => return None,
        };
        (!polygons.is_empty()).then_some(Self { polygons })
    }

    pub(super) fn holds(&self, point: Vector) -> bool {
        self.polygons.iter().any(|polygon| polygon.holds(point))
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        let rings = self.polygons.iter().flat_map(Polygon::rings);
        rings.flat_map(Ring::edges)
    }

    /// The same area, its corners on those of another where they are no further than a rounding.
    pub(super) fn joined(&self, other: &Self) -> Self {
        let theirs: Vec<Vector> = other.corners().collect();
        let ring = |ring: &Ring| Ring {
            corners: ring
                .corners
                .iter()
                .map(|at| theirs.iter().find(|known| known.is_at(*at)).unwrap_or(at))
                .copied()
                .collect(),
        };
        let polygon = |polygon: &Polygon| Polygon {
            outer: ring(&polygon.outer),
            holes: polygon.holes.iter().map(ring).collect(),
        };
        Self {
            polygons: self.polygons.iter().map(polygon).collect(),
        }
    }

    pub(super) fn corners(&self) -> impl Iterator<Item = Vector> + '_ {
        self.edges().map(|edge| edge.from)
    }
}

/// `LineString` or `MultiLineString`.
pub(super) fn lines(value: &Value) -> Option<Vec<Line>> {
    let coordinates = value.property("coordinates");
    let lines = match value.property("type").as_str()? {
        "LineString" => vec![Line::read(&coordinates)?],
        "MultiLineString" => {
            let each = coordinates.as_array()?.iter().map(Line::read);
            each.collect::<Option<Vec<_>>>()?
        }
        _ => return None,
    };
    (!lines.is_empty()).then_some(lines)
}

fn points(coordinates: &Value) -> Option<Vec<Vector>> {
    let pairs = coordinates.as_array()?;
    if pairs.len() > CORNERS_MAX {
        return None;
    }
    let place = |pair: &Value| {
        let [longitude, latitude, ..] = pair.as_array()? else {
            return None;
        };
        let (longitude, latitude) = (longitude.as_f64()?, latitude.as_f64()?);
        let is_there = longitude.is_finite() && latitude.abs() <= 90.0;
        is_there.then(|| {
            Vector::of(Place {
                longitude,
                latitude,
            })
        })
    };
    pairs.iter().map(place).collect()
}

/// What an operation on shapes left over.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) points: Vec<Vector>,
    pub(super) lines: Vec<Vec<Vector>>,
    pub(super) polygons: Vec<Vec<Vec<Vector>>>,
}

impl Parts {
    /// The simplest geometry that holds all of them.
    pub(super) fn write(self) -> Value {
        let mut all = Vec::new();
        all.extend(one_or_many(
            "Point",
            self.points.iter().map(|at| at.place().coordinates()),
        ));
        all.extend(one_or_many(
            "LineString",
            self.lines.iter().map(|line| path(line)),
        ));
        all.extend(one_or_many(
            "Polygon",
            self.polygons.iter().map(|rings| {
                let closed = |ring: &Vec<Vector>| {
                    let mut ring = ring.clone();
                    ring.extend(ring.first().copied());
                    path(&ring)
                };
                Value::array(rings.iter().map(closed).collect())
            }),
        ));
        match all.len() {
            1 => all.remove(0),
            _ => collection(all),
        }
    }
}

fn path(points: &[Vector]) -> Value {
    Value::array(points.iter().map(|at| at.place().coordinates()).collect())
}

fn one_or_many(kind: &str, coordinates: impl Iterator<Item = Value>) -> Option<Value> {
    let mut all: Vec<Value> = coordinates.collect();
    match all.len() {
        0 => None,
        1 => Some(geometry(kind, all.remove(0))),
        _ => Some(geometry(&format!("Multi{kind}"), Value::array(all))),
    }
}

pub(super) fn collection(geometries: Vec<Value>) -> Value {
    Value::bag(vec![
        ("type".into(), Value::string("GeometryCollection")),
        ("geometries".into(), Value::array(geometries)),
    ])
}
