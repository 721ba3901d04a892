//! Globs over the names of parameters.
//!
//! `*` stands for any characters, dots and slashes too, `?` for one, `[a-z]` for one of a set and
//! `[!a-z]` for one outside of it, `{weight,bias}` for one of several texts; `**/` also for nothing;
//! `\` takes its meaning from the character after it. A glob is compiled to states that are all
//! followed at once, so that no pattern takes longer than its length times the name's.

use std::fmt;

/// A glob, read and ready to match.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    text: String,
    steps: Vec<Step>,
}

/// One state: what it takes, or where it goes on without taking anything.
#[derive(Clone, Debug)]
enum Step {
    Take(Characters),
    Both(usize, usize),
    Go(usize),
}

#[derive(Clone, Debug)]
enum Characters {
    Any,
    One(char),
    Set {
        ranges: Vec<(char, char)>,
        outside: bool,
    },
}

impl Characters {
    fn contains(&self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => *one == c,
            Self::Set { ranges, outside } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != *outside
            }
        }
    }
}

/// What alternatives in braces still have to be told: where the last one begins, where each ends.
struct Braces {
    fork: usize,
    ends: Vec<usize>,
}

impl Glob {
    /// Reads a glob.
    ///
    /// # Errors
    ///
    /// One sentence: a bracket or brace that is not closed or not opened, a range turned round, a `\` at the end.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut open: Vec<Braces> = Vec::new();
        let mut rest = text.chars().peekable();
        let mut before = None;
        while let Some(c) = rest.next() {
            match c {
                '*' => {
                    let mut stars = 1;
                    while rest.next_if_eq(&'*').is_some() {
                        stars += 1;
                    }
                    let whole = stars == 2 && matches!(before, None | Some('/'));
                    if whole && rest.next_if_eq(&'/').is_some() {
                        // Any folders or none: past the stars and the slash at once.
                        let at = steps.len();
                        steps.push(Step::Both(at + 1, at + 5));
                        stars_at(&mut steps);
                        steps.push(Step::Take(Characters::One('/')));
                    } else {
                        stars_at(&mut steps);
                    }
                }
                '?' => steps.push(Step::Take(Characters::Any)),
                '[' => steps.push(Step::Take(set(&mut rest)?)),
                '{' => {
                    open.push(Braces {
                        fork: steps.len(),
                        ends: Vec::new(),
                    });
                    steps.push(Step::Go(steps.len() + 1));
                }
                ',' if !open.is_empty() => {
                    if let Some(braces) = open.last_mut() {
                        braces.ends.push(steps.len());
                        steps.push(Step::Go(0));
                        let next = steps.len();
                        if let Some(step) = steps.get_mut(braces.fork) {
                            *step = Step::Both(braces.fork + 1, next);
                        }
                        braces.fork = next;
                        steps.push(Step::Go(next + 1));
                    }
                }
                '}' => {
                    let braces = open.pop().ok_or("`}` without a `{` before it")?;
                    let end = steps.len();
                    for at in braces.ends {
                        if let Some(step) = steps.get_mut(at) {
                            *step = Step::Go(end);
                        }
                    }
                }
                '\\' => {
                    let meant = rest.next().ok_or("a `\\` with nothing after it")?;
                    steps.push(Step::Take(Characters::One(meant)));
                }
                c => steps.push(Step::Take(Characters::One(c))),
            }
            before = Some(c);
        }
        if !open.is_empty() {
            return Err("a `{` that no `}` closes".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            steps,
        })
    }

    /// Whether a whole name matches.
    pub(crate) fn is_match(&self, name: &str) -> bool {
        let mut now = vec![false; self.steps.len() + 1];
        let mut open = Vec::new();
        self.reach(0, &mut now, &mut open);
        for c in name.chars() {
            let mut next = vec![false; now.len()];
            for (at, step) in self.steps.iter().enumerate() {
                if now.get(at) == Some(&true)
                    && matches!(step, Step::Take(characters) if characters.contains(c))
                {
                    self.reach(at + 1, &mut next, &mut open);
                }
            }
            now = next;
        }
        now.last() == Some(&true)
    }

    /// Marks a state and those that it leads to without a character.
    fn reach(&self, from: usize, marked: &mut [bool], open: &mut Vec<usize>) {
        open.push(from);
        while let Some(at) = open.pop() {
            match marked.get_mut(at) {
                Some(mark) if !*mark => *mark = true,
                _ => continue,
            }
            match self.steps.get(at) {
                Some(Step::Both(one, other)) => open.extend([*one, *other]),
                Some(Step::Go(to)) => open.push(*to),
                Some(Step::Take(_)) | None => {}
            }
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Any characters, as often as there are: three states.
fn stars_at(steps: &mut Vec<Step>) {
    let at = steps.len();
    steps.push(Step::Both(at + 1, at + 3));
    steps.push(Step::Take(Characters::Any));
    steps.push(Step::Go(at));
}

/// The set after a `[`.
fn set(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Characters, String> {
    let outside = rest.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges: Vec<(char, char)> = Vec::new();
    loop {
        let low = match rest.next().ok_or("a `[` that no `]` closes")? {
            // A bracket that would close an empty set is meant as itself.
            ']' if !ranges.is_empty() => break,
            c => c,
        };
        let mut ahead = rest.clone();
        let high = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(high)) if high != ']' => {
                rest.next();
                rest.next();
                high
            }
            _ => low,
        };
        if high < low {
            return Err(format!("the range `{low}-{high}` is turned round"));
        }
        ranges.push((low, high));
    }
    Ok(Characters::Set { ranges, outside })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, name: &str) -> bool {
        Glob::new(glob).unwrap().is_match(name)
    }

    #[test]
    fn stars_and_question_marks_cross_dots_and_slashes() {
        for (glob, name, expected) in [
            ("*", "", true),
            ("*", "a/b.c", true),
            ("encoder.*.weight", "encoder.0.a/b.weight", true),
            ("encoder.*.weight", "encoder.weight", false),
            ("*.weight", "é.weight", true),
            ("?", "é", true),
            ("?", "", false),
            ("a?c", "a/c", true),
            ("a**c", "a/b/c", true),
            ("**/b", "b", true),
            ("**/b", "x/y/b", true),
            ("**/b", "xb", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "ab", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(glob, name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn sets_braces_and_escapes() {
        for (glob, name, expected) in [
            ("layer.[0-3].w", "layer.2.w", true),
            ("layer.[0-3].w", "layer.4.w", false),
            ("layer.[!0-3].w", "layer.4.w", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("head.{weight,bias}", "head.bias", true),
            ("head.{weight,bias}", "head.", false),
            ("{a,b{c,d}}e", "bde", true),
            ("{a,b{c,d}}e", "be", false),
            ("{a,}b", "b", true),
            ("a,b", "a,b", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("x{*.w,?}", "xlayer.w", true),
        ] {
            assert_eq!(matches(glob, name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn mistakes_are_said() {
        for (glob, part) in [
            ("[a", "no `]`"),
            ("[b-a]", "turned round"),
            ("{a", "no `}`"),
            ("a}", "without a `{`"),
            ("a\\", "nothing after"),
        ] {
            let error = Glob::new(glob).unwrap_err();
            assert!(error.contains(part), "{glob}: {error}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let glob = "*a".repeat(200) + "b";
        assert!(!matches(&glob, &"a".repeat(2000)));
        let deep = "{".repeat(50_000) + &"}".repeat(50_000);
        assert!(matches(&deep, ""));
    }
}
