//! A histogram as a small SVG area, one among many.

use std::fmt::Write as _;

use fanin_run::Histogram;

use crate::markup::{Html, escape};
use crate::number::short;

const WIDTH: f64 = 144.0;
const HEIGHT: f64 = 40.0;

/// The histogram as one filled path; heights go by the root of the count, so that tails show.
pub(crate) fn bars(label: &str, class: &str, histogram: &Histogram) -> Html {
    let most = histogram.counts.iter().copied().max().unwrap_or(0).max(1);
    let step = WIDTH / histogram.counts.len().max(1) as f64;
    let mut path = format!("M0 {HEIGHT}");
    for (k, &count) in histogram.counts.iter().enumerate() {
        let height = HEIGHT * (1.0 - (f64::from(count) / f64::from(most)).sqrt());
        // Writing into a String does not fail.
        let _ = write!(path, "V{height:.0}H{:.0}", step * (k + 1) as f64);
    }
    let _ = write!(path, "V{HEIGHT}Z");
    Html::trusted(format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}, from {} to {}\">\
         <path class=\"bars {class}\" d=\"{path}\"/><path class=\"zero\" d=\"M{} 0V{HEIGHT}\"/></svg>",
        escape(label),
        short(histogram.low),
        short(histogram.high),
        WIDTH / 2.0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_bin_reaches_the_top_and_empty_ones_the_ground() {
        let histogram = Histogram {
            low: -4.0,
            high: 4.0,
            counts: vec![0, 100, 25, 0],
        };
        let svg = bars("values at <a>", "values", &histogram).into_string();
        assert!(svg.contains("M0 40V40H36V0H72V20H108V40H144V40Z"), "{svg}");
        assert!(
            svg.contains("values at &lt;a&gt;, from -4.000 to 4.000"),
            "{svg}"
        );
    }
}
