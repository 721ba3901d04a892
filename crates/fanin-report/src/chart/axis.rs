//! Axes: where a value lies, and which numbers stand beside it.

/// A logarithmic axis over positive finite values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LogScale {
    /// log10 of the lower and the upper end, whole decades.
    low: f64,
    high: f64,
}

impl LogScale {
    /// The smallest axis of whole decades, at least two, that holds all positive finite values.
    pub(crate) fn over(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for log in values.filter(|v| v.is_finite() && *v > 0.0).map(f64::log10) {
            low = low.min(log);
            high = high.max(log);
        }
        if low > high {
            (low, high) = (0.0, 0.0);
        }
        let (mut low, mut high) = ((low - 1e-9).floor(), (high + 1e-9).ceil());
        while high - low < 2.0 {
            // Grow towards the side that keeps the values near the middle.
            low -= 1.0;
            if high - low < 2.0 {
                high += 1.0;
            }
        }
        Self { low, high }
    }

    /// Where a value lies on the axis, 0 to 1; the ends hold what is beyond them (0, ∞, NaN).
    pub(crate) fn position(&self, value: f64) -> f64 {
        if value.is_nan() || value == f64::INFINITY {
            return 1.0;
        }
        if value <= 0.0 {
            return 0.0;
        }
        ((value.log10() - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Labelled values, from below: at most about eight decades.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let decades = (self.high - self.low) as usize;
        let step = decades.div_ceil(8).max(1);
        (0..=decades)
            .step_by(step)
            .map(|k| self.low + k as f64)
            .map(|exponent| (10f64.powf(exponent), power(exponent)))
            .collect()
    }

    /// The ends of the axis in words, `width` characters: `1e-3      10`.
    pub(crate) fn label(&self, width: usize) -> String {
        let (low, high) = (power(self.low), power(self.high));
        let gap = width.saturating_sub(low.chars().count() + high.chars().count());
        format!("{low}{}{high}", " ".repeat(gap.max(1)))
    }

    /// A line of `width` characters with a dot at the measured and a ring at the predicted value.
    pub(crate) fn track(
        &self,
        measured: Option<f64>,
        predicted: Option<f64>,
        width: usize,
    ) -> String {
        let cell = |v: f64| (self.position(v) * (width - 1) as f64).round() as usize;
        let mut cells = vec!['·'; width];
        if let Some(value) = predicted {
            cells[cell(value)] = '○';
        }
        if let Some(value) = measured {
            cells[cell(value)] = '●';
        }
        cells.into_iter().collect()
    }
}

/// Bars of rising height, one per value; of more than `width` values, evenly picked ones.
pub(crate) fn sparkline(scale: LogScale, values: &[f64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = values.len().min(width);
    (0..shown)
        .filter_map(|k| values.get(k * (values.len() - 1) / (shown - 1).max(1)))
        .filter_map(|&value| BARS.get((scale.position(value) * 7.0).round() as usize))
        .collect()
}

fn power(exponent: f64) -> String {
    let value = 10f64.powf(exponent);
    if (-3.0..=3.0).contains(&exponent) {
        format!("{value}")
    } else {
        format!("1e{exponent}")
    }
}

/// Round numbers from 0 to at most `top`, about six of them.
pub(crate) fn round_numbers(top: f64) -> Vec<f64> {
    if !(top.is_finite() && top > 0.0) {
        return vec![0.0];
    }
    let rough = top / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter();
    let step = steps
        .map(|step| step * power)
        .find(|step| *step >= 0.999 * rough)
        .unwrap_or(rough);
    (0..=20)
        .map(|k| f64::from(k) * step)
        .take_while(|value| *value <= 1.001 * top)
        .collect()
}

/// A round number in as few digits as it has.
pub(crate) fn plain(x: f64) -> String {
    let text = format!("{x:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0" } else { text }.to_owned()
}

/// A round number at least as large.
pub(crate) fn round_above(x: f64) -> f64 {
    if !(x.is_finite() && x > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(x.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let found = steps.into_iter().find(|step| step * power >= x);
    found.unwrap_or(10.0) * power
}

/// A share of a picture's width or height: `12.5%`.
pub(crate) fn share(place: f64) -> String {
    format!("{:.2}%", 100.0 * place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_carry_round_numbers() {
        let words = |top| -> Vec<String> { round_numbers(top).into_iter().map(plain).collect() };
        assert_eq!(words(2.763), ["0", "0.5", "1", "1.5", "2", "2.5"]);
        assert_eq!(words(1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(words(400.0), ["0", "100", "200", "300", "400"]);
        assert_eq!(
            words(0.128),
            ["0", "0.025", "0.05", "0.075", "0.1", "0.125"]
        );
        assert_eq!(words(0.0), ["0"]);
    }

    #[test]
    fn the_axis_holds_all_values_in_whole_decades() {
        let scale = LogScale::over([0.3, 20.0, f64::NAN, 0.0].into_iter());
        assert_eq!((scale.low, scale.high), (-1.0, 2.0));
        assert_eq!(scale.position(0.0), 0.0);
        assert_eq!(scale.position(f64::INFINITY), 1.0);
        assert_eq!(
            LogScale::over(std::iter::empty()).label(10).chars().count(),
            10
        );
    }

    #[test]
    fn a_sparkline_keeps_both_ends() {
        let scale = LogScale {
            low: -7.0,
            high: 0.0,
        };
        assert_eq!(sparkline(scale, &[1e-7, 1e-4, 1.0, 0.0], 9), "▁▄█▁");
        assert_eq!(sparkline(scale, &[1e-7, 0.1, 0.1, 0.1, 1.0], 2), "▁█");
        assert_eq!(sparkline(scale, &[1.0], 9), "█");
        assert_eq!(sparkline(scale, &[], 9), "");
    }

    #[test]
    fn the_track_shows_measured_over_predicted() {
        let scale = LogScale {
            low: -1.0,
            high: 1.0,
        };
        assert_eq!(scale.track(Some(1.0), Some(0.1), 5), "○·●··");
        assert_eq!(scale.track(Some(1.0), Some(1.0), 5), "··●··");
        assert_eq!(scale.track(None, None, 3), "···");
    }

    #[test]
    fn a_round_number_above() {
        for (x, end) in [
            (0.9, 1.0),
            (1.1, 1.5),
            (2.0, 2.0),
            (0.034, 0.04),
            (0.0, 1.0),
        ] {
            assert!((round_above(x) - end).abs() < 1e-12, "{x}");
        }
        assert_eq!(plain(0.0), "0");
        assert_eq!(plain(0.375), "0.375");
    }
}
