//! A share as a bar, with the interval that its probability lies in.

use crate::markup::Html;
use crate::number::percent;

const WIDTH: f64 = 240.0;

/// The bar; `class` gives its colour.
pub(crate) fn interval(class: &str, share: f64, [low, high]: [f64; 2]) -> Html {
    let at = |share: f64| (WIDTH * share.clamp(0.0, 1.0)).round();
    let (part, from, to) = (at(share), at(low), at(high));
    Html::trusted(format!(
        "<svg class=\"share {class}\" viewBox=\"0 0 {WIDTH} 18\" role=\"img\" \
         aria-label=\"{}, between {} and {}\">\
         <rect class=\"all\" width=\"{WIDTH}\" height=\"9\"/>\
         <rect class=\"part\" width=\"{part}\" height=\"9\"/>\
         <path d=\"M{from} 11V17M{from} 14H{to}M{to} 11V17\"/></svg>",
        percent(share),
        percent(low),
        percent(high),
    ))
}
