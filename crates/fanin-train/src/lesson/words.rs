//! Numbers inside sentences.

/// A size over many decades, three significant digits: `0.0813`, `5.66`, `1.23e-9`, `412000`.
pub(super) fn size(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if x.is_nan() {
        return "not a number".to_owned();
    }
    if x.is_infinite() {
        return "∞".to_owned();
    }
    let exponent = x.abs().log10().floor() as i32;
    match exponent {
        -3..=2 => {
            let decimals = usize::try_from(2 - exponent).unwrap_or(0);
            format!("{x:.decimals$}")
        }
        3..=5 => format!("{x:.0}"),
        _ => format!("{x:.2e}"),
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

/// A share in percent: `27 %`, `0.4 %`.
pub(super) fn share(x: f64) -> String {
    let percent = 100.0 * x;
    if percent == 0.0 {
        "0 %".to_owned()
    } else if percent < 0.1 {
        "under 0.1 %".to_owned()
    } else if percent < 9.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
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
        assert_eq!(size(412_345.0), "412345");
        assert_eq!(size(1.234e-9), "1.23e-9");
        assert_eq!(size(f64::INFINITY), "∞");
        assert_eq!(loss(1.975_42), "1.975");
        assert_eq!(loss(1.5e8), "1.50e8");
        assert_eq!(share(0.273), "27 %");
        assert_eq!(share(0.0004), "under 0.1 %");
        assert_eq!(times(3.16), "3.2");
        assert_eq!(times(2.1e6), "2e6");
        assert_eq!(after(Some(41), 300), "after 41 steps");
        assert_eq!(after(None, 300), "not within 300 steps");
    }
}
