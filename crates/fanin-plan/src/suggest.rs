//! "Did you mean": the known name nearest to what was written.

/// The candidate nearest to `written` in edit distance, if it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A longer text is no slip of a short name, and the distance costs the product of the lengths.
    if written.chars().count() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|name| (distance(written, name), name))
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `, did you mean x?` or a list of what is known.
pub(crate) fn hint(written: &str, candidates: &[&str]) -> String {
    match nearest(written, candidates.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known are {}", candidates.join(", ")),
    }
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let width = b.len() + 1;
    let mut table = vec![0usize; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let same = a[i - 1] == b[j - 1];
                let mut least = (table[(i - 1) * width + j] + 1)
                    .min(table[i * width + j - 1] + 1)
                    .min(table[(i - 1) * width + j - 1] + usize::from(!same));
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(table[(i - 2) * width + j - 2] + 1);
                }
                least
            };
        }
    }
    table[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_nonsense_is_not() {
        let known = ["auto", "torch", "keras", "gpt2"];
        assert_eq!(nearest("troch", known), Some("torch"));
        assert_eq!(nearest("AUTO", known), Some("auto"));
        assert_eq!(nearest("gpt-2", known), Some("gpt2"));
        assert_eq!(nearest("pytorch-lightning", known), None);
        assert_eq!(nearest(&"a".repeat(100_000), known), None);
    }
}
