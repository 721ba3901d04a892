//! Names, lists and numbers inside sentences: one way to write each, for all of fanin's crates.

/// The known name nearest to what was written, if it is near enough to be a slip of the hand: at most
/// one edit, and one more for every four letters. Letter case does not count; of equals the first in
/// the alphabet.
///
/// ```
/// let known = ["auto", "torch", "keras"];
/// assert_eq!(fanin::wording::nearest("troch", known), Some("torch"));
/// assert_eq!(fanin::wording::nearest("pytorch-lightning", known), None);
/// ```
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = written.chars().count();
    // A longer text is no slip of a name, and the distance costs the product of the lengths.
    if letters > 64 {
        return None;
    }
    let near = known
        .into_iter()
        .map(|name| (distance(written, name), name));
    near.min()
        .filter(|(edits, name)| *edits <= 1 + letters / 4 && *edits < name.chars().count())
        .map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours from one name to the other (optimal
/// string alignment), whatever the case of the letters.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut least = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(table[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    table[a.len()][b.len()]
}

/// `a`, `a and b`, `a, b and c`; nothing of nothing.
///
/// ```
/// assert_eq!(fanin::wording::list(&["a", "b", "c"]), "a, b and c");
/// ```
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    let all = |names: &[S]| -> String {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        names.join(", ")
    };
    match names {
        [.., _, _] => {
            let (first, last) = names.split_at(names.len() - 1);
            format!("{} and {}", all(first), all(last))
        }
        _ => all(names),
    }
}

/// A number to so many significant digits, in exponent form with two decimals below 10⁻³ and where its
/// whole part would have two digits more: `0.408`, `12.3`, `3.05e-5`, `NaN`.
///
/// ```
/// use fanin::wording::number;
/// assert_eq!(number(0.408_25, 3), "0.408");
/// assert_eq!(number(0.408_25, 4), "0.4083");
/// assert_eq!(number(-123_456.0, 4), "-1.23e5");
/// ```
pub fn number(x: f64, digits: i32) -> String {
    if x == 0.0 || !x.is_finite() {
        return if x == 0.0 {
            "0".to_owned()
        } else {
            x.to_string()
        };
    }
    // Of what is printed: 0.99999 rounds to 1.000.
    let precision = usize::try_from(digits - 1).unwrap_or(0);
    let rounded: f64 = format!("{x:.precision$e}").parse().unwrap_or(x);
    let exponent = rounded.abs().log10().floor() as i32;
    if (-3..=digits).contains(&exponent) {
        let decimals = usize::try_from(digits - 1 - exponent).unwrap_or(0);
        format!("{x:.decimals$}")
    } else {
        format!("{x:.2e}")
    }
}

/// A share as a percentage: `27 %`, `5.4 %`, `<0.1 %`.
pub fn percent(share: f64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_nonsense_is_not() {
        let known = ["auto", "torch", "keras", "gpt2", "kaiming_normal", "F101"];
        for (written, near) in [
            ("troch", Some("torch")),
            ("AUTO", Some("auto")),
            ("gpt-2", Some("gpt2")),
            ("kaimng_normal", Some("kaiming_normal")),
            ("f102", Some("F101")),
            ("pytorch-lightning", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), near, "{written}");
        }
        assert_eq!(nearest(&"a".repeat(100_000), known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn lists_read_well() {
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a".to_owned(), "b".to_owned()]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn numbers_keep_their_digits_and_name_the_extremes() {
        for (x, three, four) in [
            (0.0, "0", "0"),
            (0.654_321_98, "0.654", "0.6543"),
            (12.345_6, "12.3", "12.35"),
            (3.05e-5, "3.05e-5", "3.05e-5"),
            (9_876.0, "9876", "9876"),
            (54_321.0, "5.43e4", "54321"),
            (-2e7, "-2.00e7", "-2.00e7"),
            (0.999_99, "1.00", "1.000"),
            (f64::INFINITY, "inf", "inf"),
        ] {
            assert_eq!(number(x, 3), three);
            assert_eq!(number(x, 4), four);
        }
        assert_eq!(number(f64::NAN, 3), "NaN");
    }

    #[test]
    fn percentages_round_as_people_do() {
        for (share, text) in [
            (0.0, "0 %"),
            (0.054, "5.4 %"),
            (0.2714, "27 %"),
            (4e-4, "<0.1 %"),
        ] {
            assert_eq!(percent(share), text);
        }
    }
}
