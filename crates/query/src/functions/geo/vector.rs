//! Points on the unit sphere, and the shortest ways between them.

use super::Place;

/// Cosine of an angle below which two points count as one, about a hundredth of a millimetre.
const SAME: f64 = 1e-24;

/// A point on the unit sphere; unscaled in between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vector(pub(super) [f64; 3]);

impl Vector {
    pub(super) const ZERO: Self = Self([0.0; 3]);

    pub(super) fn of(place: Place) -> Self {
        let (latitude, longitude) = (place.latitude.to_radians(), place.longitude.to_radians());
        Self([
            latitude.cos() * longitude.cos(),
            latitude.cos() * longitude.sin(),
            latitude.sin(),
        ])
    }

    pub(super) fn place(self) -> Place {
        let [x, y, z] = self.0;
        Place {
            longitude: y.atan2(x).to_degrees(),
            latitude: z.atan2(x.hypot(y)).to_degrees(),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Self([a + x, b + y, c + z])
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(other.times(-1.0))
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self(self.0.map(|part| part * factor))
    }

    pub(super) fn dot(self, other: Self) -> f64 {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        a * x + b * y + c * z
    }

    pub(super) fn cross(self, other: Self) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Self([b * z - c * y, c * x - a * z, a * y - b * x])
    }

    pub(super) fn norm(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// Of length one; zero stays zero.
    pub(super) fn unit(self) -> Self {
        let norm = self.norm();
        if norm > 0.0 {
            self.times(1.0 / norm)
        } else {
            self
        }
    }

    /// The normal of the plane through both, exact for near points too.
    pub(super) fn normal(self, other: Self) -> Self {
        self.plus(other).cross(other.minus(self)).times(0.5)
    }

    /// Radians.
    pub(super) fn angle(self, other: Self) -> f64 {
        self.normal(other).norm().atan2(self.dot(other))
    }

    pub(super) fn is_at(self, other: Self) -> bool {
        let apart = self.minus(other);
        apart.dot(apart) <= SAME
    }
}

/// The shortest way between two points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edge {
    pub(super) from: Vector,
    pub(super) to: Vector,
}

impl Edge {
    pub(super) fn length(self) -> f64 {
        self.from.angle(self.to)
    }

    pub(super) fn middle(self) -> Vector {
        self.from.plus(self.to).unit()
    }

    /// The point on the edge that is nearest.
    pub(super) fn nearest(self, point: Vector) -> Vector {
        let normal = self.from.normal(self.to).unit();
        let on_circle = point.minus(normal.times(point.dot(normal))).unit();
        let after_start = normal.cross(self.from).dot(on_circle) >= 0.0;
        let before_end = normal.cross(self.to).dot(on_circle) <= 0.0;
        if normal != Vector::ZERO && on_circle != Vector::ZERO && after_start && before_end {
            on_circle
        } else if point.dot(self.from) >= point.dot(self.to) {
            self.from
        } else {
            self.to
        }
    }

    /// Where two edges cross, each inside of the other's ends.
    pub(super) fn crossing(self, other: Self) -> Option<Vector> {
        let (mine, theirs) = (self.from.normal(self.to), other.from.normal(other.to));
        let side = |normal: Vector, point: Vector| normal.dot(point);
        let from_mine = (side(mine, other.from), side(mine, other.to));
        let from_theirs = (side(theirs, self.from), side(theirs, self.to));
        let crosses = from_mine.0 * from_mine.1 < 0.0
            && from_theirs.0 * from_theirs.1 < 0.0
            && from_mine.0 * from_theirs.1 > 0.0;
        crosses.then(|| {
            let at = mine.unit().cross(theirs.unit()).unit();
            let near = self.middle().plus(other.middle());
            if at.dot(near) < 0.0 {
                at.times(-1.0)
            } else {
                at
            }
        })
    }

    /// Whether the ends are the same, in either direction.
    pub(super) fn is_same(self, other: Self) -> bool {
        (self.from.is_at(other.from) && self.to.is_at(other.to))
            || (self.from.is_at(other.to) && self.to.is_at(other.from))
    }
}
