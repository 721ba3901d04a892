//! The same figure of several networks.

/// A figure measured on several networks that differ in their seed only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// These figures.
    pub fn of(values: Vec<f64>) -> Self {
        Self(values)
    }

    /// One figure.
    pub fn one(value: f64) -> Self {
        Self(vec![value])
    }

    /// Rows of figures, one row per network, as one sample per column.
    pub fn columns(rows: &[Vec<f64>]) -> Vec<Self> {
        let width = rows.iter().map(Vec::len).min().unwrap_or(0);
        (0..width)
            .map(|k| Self(rows.iter().map(|row| row[k]).collect()))
            .collect()
    }

    /// Networks.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The figures.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// Their variance, with n − 1.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        let sum: f64 = self.0.iter().map(|v| (v - mean).powi(2)).sum();
        sum / (self.0.len() as f64 - 1.0)
    }

    /// The standard error of their mean; 0 for a single figure.
    pub fn error(&self) -> f64 {
        match self.0.len() {
            0 | 1 => 0.0,
            n => (self.variance() / n as f64).sqrt(),
        }
    }

    /// Each figure changed.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self(self.0.iter().copied().map(f).collect())
    }
}

/// The slope of the straight line through points, by least squares.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (mut cross, mut square) = (0.0, 0.0);
    for p in points {
        cross += (p.0 - x) * (p.1 - y);
        square += (p.0 - x).powi(2);
    }
    cross / square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_variance_and_slope() {
        let sample = Sample::of(vec![1.0, 2.0, 3.0, 6.0]);
        assert_eq!(sample.mean(), 3.0);
        assert!((sample.variance() - 14.0 / 3.0).abs() < 1e-12);
        assert!((slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) - 2.0).abs() < 1e-12);
        let columns = Sample::columns(&[vec![1.0, 2.0], vec![3.0, 4.0]]);
        assert_eq!(columns[1].values(), [2.0, 4.0]);
    }
}
