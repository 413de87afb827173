//! Unions and intersections: on the plane that touches the sphere at the shapes' centre, where
//! shortest ways are straight (gnomonic projection), so all of them have to lie on one side of it.

use i_overlay::core::fill_rule::FillRule;
use i_overlay::core::overlay::ContourDirection;
use i_overlay::core::overlay_rule::OverlayRule;
use i_overlay::float::overlay::{FloatOverlay, OverlayOptions};

use s2::cellid::CellID;
use s2::point::Point;

use super::shape::{Area, Polygon, Ring};
use super::vector::{Edge, Vector};

/// Cosine of the angle from the centre that a corner may lie away, about 84 degrees.
const REACH: f64 = 0.1;
/// How near a corner of the result lies to one of the input that it stands for, in radians.
const SNAP: f64 = 1e-12;

#[derive(Clone, Copy)]
pub(super) enum Rule {
    Both,
    Either,
}

/// Rings of polygons: the outer one first.
type Rings = Vec<Vec<Vec<Vector>>>;

/// Polygon with polygon, those of fewest corners first, as S2 does: the order decides where rings
/// start.
pub(super) fn union(area: &Area) -> Option<Rings> {
    let alone = |polygon: &Polygon| Area {
        polygons: vec![polygon.clone()],
    };
    let mut waiting: Vec<Area> = area.polygons.iter().map(alone).collect();
    waiting.sort_by_key(|area| area.corners().count());
    while waiting.len() > 1 {
        let (first, second) = (waiting.remove(0), waiting.remove(0));
        let both = of_rings(combine(&first, &second, Rule::Either)?);
        let count = both.corners().count();
        let at = waiting.partition_point(|area| area.corners().count() <= count);
        waiting.insert(at, both);
    }
    let polygons = waiting.pop()?.polygons.into_iter();
    Some(
        polygons
            .map(|polygon| polygon.rings().map(|ring| ring.corners.clone()).collect())
            .collect(),
    )
}

fn of_rings(rings: Rings) -> Area {
    let polygon = |mut rings: Vec<Vec<Vector>>| {
        let mut rings = rings.drain(..).map(|corners| Ring { corners });
        let outer = rings.next()?;
        // Holes of polygons turn the same way as what surrounds them.
        let holes = rings.map(|mut hole| {
            hole.corners.reverse();
            hole
        });
        Some(Polygon {
            outer,
            holes: holes.collect(),
        })
    };
    Area {
        polygons: rings.into_iter().filter_map(polygon).collect(),
    }
}

pub(super) fn combine(left: &Area, right: &Area, rule: Rule) -> Option<Rings> {
    let (left, right) = (&left.joined(left), &right.joined(left));
    let plane = Plane::under(left.corners().chain(right.corners()))?;
    let (mine, theirs) = (plane.contours(left)?, plane.contours(right)?);
    let mut options = OverlayOptions::<f64, i64>::default();
    options.preserve_output_collinear = true;
    options.output_direction = ContourDirection::CounterClockwise;
    let mut overlay = FloatOverlay::<[f64; 2], i64>::from_subj_and_clip_custom(
        &mine,
        &theirs,
        options,
        i_overlay::core::solver::Solver::default(),
    );
    let rule = match rule {
        Rule::Both => OverlayRule::Intersect,
        Rule::Either => OverlayRule::Union,
    };
    let shapes = overlay.overlay(rule, FillRule::NonZero);
    let corners: Vec<Vector> = left.corners().chain(right.corners()).collect();
    let sides: Vec<Edge> = left.edges().chain(right.edges()).collect();
    let ring = |contour: Vec<[f64; 2]>| {
        let points = contour.into_iter().map(|at| {
            let at = plane.up(at);
            let near = corners.iter().find(|corner| corner.minus(at).norm() < SNAP);
            near.copied().unwrap_or(at)
        });
        started(points.collect(), &sides)
    };
    let polygon = |contours: Vec<Vec<[f64; 2]>>| {
        let rings: Vec<_> = contours.into_iter().map(ring).collect();
        let first = rings.first().and_then(|(first, _)| *first);
        (first, rings.into_iter().map(|(_, ring)| ring).collect())
    };
    let mut polygons: Vec<_> = shapes.into_iter().map(polygon).collect();
    polygons.sort_by_key(|(first, _): &(_, Vec<_>)| *first);
    Some(polygons.into_iter().map(|(_, rings)| rings).collect())
}

/// A ring starts behind the last of the sides that it was made of, as S2 has it
/// (`CanonicalizeLoopOrder`, from the corner whose cell comes first).
fn started(mut ring: Vec<Vector>, sides: &[Edge]) -> (Option<usize>, Vec<Vector>) {
    let count = ring.len();
    let cell = |at: &Vector| {
        let [x, y, z] = at.0;
        CellID::from(Point::from_coords(x, y, z)).0
    };
    let first = (0..count).min_by_key(|at| cell(&ring[*at]));
    ring.rotate_left(first.unwrap_or(0));
    let side_of = |at: usize| {
        let edge = Edge {
            from: ring[at],
            to: ring[(at + 1) % count],
        };
        let middle = edge.middle();
        let is_on = |side: &Edge| side.nearest(middle).minus(middle).norm() < SNAP;
        sides.iter().position(is_on)
    };
    let of: Vec<Option<usize>> = (0..count).map(side_of).collect();
    let (mut last, mut saw_gap) = (0, false);
    for at in 1..count {
        if of[at] < of[last] {
            saw_gap = true;
        } else if of[at] > of[last] || !saw_gap {
            (last, saw_gap) = (at, false);
        }
    }
    if count > 0 {
        ring.rotate_left((last + 1) % count);
    }
    let first = of.get((last + 1) % count.max(1)).copied().flatten();
    (first, ring)
}

struct Plane {
    centre: Vector,
    right: Vector,
    up: Vector,
}

impl Plane {
    fn under(points: impl Iterator<Item = Vector>) -> Option<Self> {
        let centre = points.fold(Vector::ZERO, Vector::plus).unit();
        let [x, y, z] = centre.0;
        let away = if z.abs() < 0.9 {
            [0.0, 0.0, 1.0]
        } else {
            [1.0, 0.0, 0.0]
        };
        let right = Vector(away).cross(centre).unit();
        (x * x + y * y + z * z > 0.5).then(|| Self {
            centre,
            right,
            up: centre.cross(right),
        })
    }

    fn down(&self, at: Vector) -> Option<[f64; 2]> {
        let depth = at.dot(self.centre);
        (depth > REACH).then(|| [at.dot(self.right) / depth, at.dot(self.up) / depth])
    }

    fn up(&self, [x, y]: [f64; 2]) -> Vector {
        let flat = self.right.times(x).plus(self.up.times(y));
        self.centre.plus(flat).unit()
    }

    fn contours(&self, area: &Area) -> Option<Vec<Vec<[f64; 2]>>> {
        let polygon = |polygon: &Polygon| {
            let outer = polygon
                .outer
                .corners
                .iter()
                .copied()
                .map(|at| self.down(at));
            let outer = outer.collect::<Option<Vec<_>>>();
            let holes = polygon.holes.iter().map(|hole| {
                let back = hole.corners.iter().rev().copied();
                back.map(|at| self.down(at)).collect::<Option<Vec<_>>>()
            });
            std::iter::once(outer).chain(holes).collect::<Vec<_>>()
        };
        area.polygons.iter().flat_map(polygon).collect()
    }
}

pub(super) fn add_point(points: &mut Vec<Vector>, at: Vector) {
    if !points.iter().any(|known| known.is_at(at)) {
        points.push(at);
    }
}

/// Edges joined to lines as long as possible, in the order of the edges.
pub(super) fn chains(edges: &[Edge]) -> Vec<Vec<Vector>> {
    let mut out: Vec<Vec<Vector>> = Vec::new();
    for edge in edges {
        let open = out
            .iter_mut()
            .find(|line| line.last().is_some_and(|end| end.is_at(edge.from)));
        match open {
            Some(line) => line.push(edge.to),
            None => out.push(vec![edge.from, edge.to]),
        }
    }
    out
}
