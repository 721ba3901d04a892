//! What to say where a name is not known.

use fanin::wording::nearest;

/// `did you mean x?` or a list of what is known.
pub(crate) fn hint(written: &str, candidates: &[&str]) -> String {
    match nearest(written, candidates.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known are {}", candidates.join(", ")),
    }
}
