//! Geohashes: five bits per letter, longitude first.

use super::{Place, point, polygon};
use crate::functions::{Function, string, text};
use crate::value::Value;

const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Most letters, as in Kusto.
const LETTERS_MAX: i64 = 18;
/// Letters when none are asked for.
const LETTERS_USUAL: i64 = 5;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::rows("geo_point_to_geohash", |a| {
        let accuracy = match a.get(2) {
            None => Some(LETTERS_USUAL),
            Some(accuracy) => accuracy.as_i64(),
        };
        let accuracy = accuracy.filter(|letters| (1..=LETTERS_MAX).contains(letters));
        let hash = Place::of(a, 0).zip(accuracy);
        string(hash.map_or_else(String::new, |(place, letters)| encode(place, letters)))
    }),
    Function::rows("geo_geohash_to_central_point", |a| {
        Some(point(Cell::of(&text(a, 0)?)?.centre()))
    }),
    Function::rows("geo_geohash_to_polygon", |a| {
        Some(polygon(&Cell::of(&text(a, 0)?)?.corners()))
    }),
    Function::rows("geo_geohash_neighbors", |a| neighbours(&text(a, 0)?)),
];

/// A rectangle in degrees.
struct Cell {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Cell {
    fn whole() -> Self {
        Self {
            west: -180.0,
            east: 180.0,
            south: -90.0,
            north: 90.0,
        }
    }

    fn of(hash: &str) -> Option<Self> {
        let length = i64::try_from(hash.len()).ok()?;
        if !(1..=LETTERS_MAX).contains(&length) {
            return None;
        }
        let mut cell = Self::whole();
        let mut is_longitude = true;
        for letter in hash.bytes() {
            let value = LETTERS.iter().position(|known| *known == letter)?;
            for bit in (0..5).rev() {
                cell.halve(is_longitude, (value >> bit) & 1 == 1);
                is_longitude = !is_longitude;
            }
        }
        Some(cell)
    }

    fn halve(&mut self, is_longitude: bool, upper: bool) {
        let (low, high) = if is_longitude {
            (&mut self.west, &mut self.east)
        } else {
            (&mut self.south, &mut self.north)
        };
        let middle = f64::midpoint(*low, *high);
        *(if upper { low } else { high }) = middle;
    }

    fn centre(&self) -> Place {
        Place {
            longitude: f64::midpoint(self.west, self.east),
            latitude: f64::midpoint(self.south, self.north),
        }
    }

    fn corners(&self) -> [Place; 4] {
        let place = |longitude, latitude| Place {
            longitude,
            latitude,
        };
        [
            place(self.west, self.south),
            place(self.east, self.south),
            place(self.east, self.north),
            place(self.west, self.north),
        ]
    }
}

fn encode(place: Place, letters: i64) -> String {
    let mut cell = Cell::whole();
    let mut is_longitude = true;
    let letter = |_| {
        let mut value = 0_usize;
        for _ in 0..5 {
            let upper = if is_longitude {
                place.longitude >= f64::midpoint(cell.west, cell.east)
            } else {
                place.latitude >= f64::midpoint(cell.south, cell.north)
            };
            cell.halve(is_longitude, upper);
            value = value << 1 | usize::from(upper);
            is_longitude = !is_longitude;
        }
        char::from(LETTERS[value])
    };
    (0..letters).map(letter).collect()
}

/// The cells around: nothing beyond the poles, around the world at 180 degrees.
fn neighbours(hash: &str) -> Option<Value> {
    let cell = Cell::of(hash)?;
    let (width, height) = (cell.east - cell.west, cell.north - cell.south);
    let centre = cell.centre();
    let letters = i64::try_from(hash.len()).ok()?;
    let mut out = Vec::new();
    for (right, up) in [
        (-1.0, 0.0),
        (-1.0, -1.0),
        (0.0, -1.0),
        (1.0, -1.0),
        (1.0, 1.0),
        (1.0, 0.0),
        (0.0, 1.0),
        (-1.0, 1.0),
    ] {
        let latitude = centre.latitude + up * height;
        let longitude = centre.longitude + right * width;
        let longitude = (longitude + 180.0).rem_euclid(360.0) - 180.0;
        if latitude.abs() <= 90.0 {
            let place = Place {
                longitude,
                latitude,
            };
            out.push(Value::string(encode(place, letters)));
        }
    }
    Some(Value::array(out))
}
