//! Numbers as people read them.

/// Four significant digits, exponent form outside 10⁻³..10⁵: `0.7071`, `3.05e-5`, `NaN`.
pub(crate) fn short(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if !x.is_finite() {
        return x.to_string();
    }
    let exponent = x.abs().log10().floor() as i32;
    if (-3..5).contains(&exponent) {
        let decimals = usize::try_from(3 - exponent).unwrap_or(0);
        format!("{x:.decimals$}")
    } else {
        format!("{x:.2e}")
    }
}

/// A share as a percentage: `27 %`, `5.4 %`, `<0.1 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 {
        "0 %".to_owned()
    } else if percent < 0.1 {
        "<0.1 %".to_owned()
    } else if percent < 9.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// A count with its unit: `11.7 M`, `128`.
pub(crate) fn count(n: u64) -> String {
    let x = n as f64;
    if x >= 1e9 {
        format!("{:.2} G", x / 1e9)
    } else if x >= 1e6 {
        format!("{:.1} M", x / 1e6)
    } else if x >= 1e4 {
        format!("{:.1} k", x / 1e3)
    } else {
        n.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keeps_four_digits_and_names_the_extremes() {
        assert_eq!(short(0.654_321_98), "0.6543");
        assert_eq!(short(12.345_6), "12.35");
        assert_eq!(short(3.05e-5), "3.05e-5");
        assert_eq!(short(-2e7), "-2.00e7");
        assert_eq!(short(0.0), "0");
        assert_eq!(short(f64::INFINITY), "inf");
    }

    #[test]
    fn percent_and_count_round_as_people_do() {
        assert_eq!(percent(0.054), "5.4 %");
        assert_eq!(percent(0.2714), "27 %");
        assert_eq!(percent(0.0004), "<0.1 %");
        assert_eq!(count(11_689_512), "11.7 M");
        assert_eq!(count(999), "999");
    }
}
