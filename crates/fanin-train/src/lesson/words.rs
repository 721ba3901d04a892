//! Numbers inside sentences.

pub(super) use fanin::wording::percent as share;

/// A size over many decades, three significant digits: `0.0813`, `5.66`, `1.23e-9`, `4.12e5`.
pub(super) fn size(x: f64) -> String {
    match x {
        x if x.is_nan() => "not a number".to_owned(),
        x if x.is_infinite() => "∞".to_owned(),
        x => fanin::wording::number(x, 3),
    }
}

/// A loss: three decimals, or as a size where it is large.
pub(super) fn loss(x: f64) -> String {
    if x.abs() < 100.0 {
        format!("{x:.3}")
    } else {
        size(x)
    }
}

/// How many times as much, for "… times": `3.2`, `48`, `2.1e6`.
pub(super) fn times(x: f64) -> String {
    match x {
        x if !x.is_finite() => "beyond all number".to_owned(),
        x if x < 10.0 => format!("{x:.1}"),
        x if x < 1e5 => format!("{x:.0}"),
        x => format!("{x:.0e}"),
    }
}

/// Steps until something, for "… after {}": `41 steps`, or that it never came.
pub(super) fn after(steps: Option<usize>, all: usize) -> String {
    match steps {
        Some(1) => "after 1 step".to_owned(),
        Some(steps) => format!("after {steps} steps"),
        None => format!("not within {all} steps"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(size(0.081_34), "0.0813");
        assert_eq!(size(5.6569), "5.66");
        assert_eq!(size(412_345.0), "4.12e5");
        assert_eq!(size(1.234e-9), "1.23e-9");
        assert_eq!(size(f64::INFINITY), "∞");
        assert_eq!(loss(1.975_42), "1.975");
        assert_eq!(loss(1.5e8), "1.50e8");
        assert_eq!(times(3.16), "3.2");
        assert_eq!(times(2.1e6), "2e6");
        assert_eq!(after(Some(41), 300), "after 41 steps");
        assert_eq!(after(None, 300), "not within 300 steps");
    }
}
