//! Whether a number rises or falls over a series: Pearson's correlation with its position.

use crate::stored::stored;

/// Sums for one series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Trend {
    count: u32,
    first: f32,
    last: f32,
    sum: f64,
    sum_squares: f64,
    sum_products: f64,
}

stored!(Trend {
    count,
    first,
    last,
    sum,
    sum_squares,
    sum_products
});

impl Trend {
    pub(crate) fn add(&mut self, value: f32) {
        if self.count == 0 {
            self.first = value;
        }
        self.last = value;
        self.sum += f64::from(value);
        self.sum_squares += f64::from(value).powi(2);
        self.sum_products += f64::from(value) * f64::from(self.count);
        self.count += 1;
    }

    /// Numbers so far.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// Last number minus first.
    pub(crate) fn change(&self) -> f32 {
        self.last - self.first
    }

    /// From -1 (falls steadily) to 1 (rises steadily); 0 if there is nothing to tell.
    pub(crate) fn correlation(&self) -> f64 {
        let n = f64::from(self.count);
        let sum_positions = n * (n - 1.0) / 2.0;
        let position_variance = n * (n * n - 1.0) / 12.0;
        let variance = self.sum_squares - self.sum * self.sum / n.max(1.0);
        let covariance = self.sum_products - self.sum * sum_positions / n.max(1.0);
        if variance <= 1e-9 || position_variance <= 0.0 {
            return 0.0;
        }
        covariance / (variance * position_variance).sqrt()
    }
}

impl Trend {
    /// How many standard errors the correlation is from none: Student's t.
    pub(crate) fn certainty(&self) -> f64 {
        let (r, n) = (self.correlation(), f64::from(self.count));
        if n < 4.0 {
            return 0.0;
        }
        r * ((n - 2.0) / (1.0 - r * r).max(1e-9)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::Trend;

    #[test]
    fn falling_rising_and_flat_series_are_told_apart() {
        let (mut falls, mut rises, mut flat) =
            (Trend::default(), Trend::default(), Trend::default());
        for i in 0..50_u8 {
            falls.add(1.0 - f32::from(i) / 100.0);
            rises.add(f32::from(i));
            flat.add(0.5);
        }
        assert!(falls.correlation() < -0.99 && falls.change() < -0.4);
        assert!(rises.correlation() > 0.99);
        assert!(flat.correlation().abs() < 0.01);
    }
}
