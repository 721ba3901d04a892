//! Numbers as people read them.

pub(crate) use fanin::wording::percent;

/// Four significant digits, exponent form outside 10⁻³..10⁵: `0.7071`, `3.05e-5`, `NaN`.
pub(crate) fn short(x: f64) -> String {
    fanin::wording::number(x, 4)
}

/// An initializer in few digits, for a table: `kaiming_normal(gain=1.414)`. A plan and JSON have all.
pub(crate) fn brief(initializer: &str) -> String {
    const DIGITS: usize = 6;
    let mut out = String::with_capacity(initializer.len());
    let mut rest = initializer;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let length = rest[start..]
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len() - start);
        let number = &rest[start..start + length];
        // Digits that end a name are no number.
        let named = rest[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        out.push_str(&rest[..start]);
        match number.parse::<f64>() {
            Ok(x) if length > DIGITS && number.contains('.') && !named => {
                let few = short(x);
                // The noughts of an exponent count.
                out.push_str(match few.contains('e') {
                    true => &few,
                    false => few.trim_end_matches('0').trim_end_matches('.'),
                });
            }
            _ => out.push_str(number),
        }
        rest = &rest[start + length..];
    }
    out + rest
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
    fn an_initializer_loses_digits_that_no_reader_wants_and_no_name() {
        for (full, few) in [
            (
                "kaiming_normal(mode=fan_in, gain=1.4142135623730951)",
                "kaiming_normal(mode=fan_in, gain=1.414)",
            ),
            (
                "uniform(low=-0.12500000001, high=0.125)",
                "uniform(low=-0.125, high=0.125)",
            ),
            ("normal(std=1.2345678e-5)", "normal(std=1.235e-5)"),
            ("normal(std=0.0000000001)", "normal(std=1.00e-10)"),
            ("x1.2345678, 12345678", "x1.2345678, 12345678"),
            ("zeros", "zeros"),
            ("", ""),
        ] {
            assert_eq!(brief(full), few);
        }
    }

    #[test]
    fn counts_round_as_people_do() {
        assert_eq!(count(11_689_512), "11.7 M");
        assert_eq!(count(999), "999");
    }
}
