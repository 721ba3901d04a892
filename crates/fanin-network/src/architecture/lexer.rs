//! Cuts a line into tokens that remember their column.

use fanin::wording::nearest;

use crate::NetworkError;

/// Largest number a line may state.
pub(super) const LARGEST: usize = 1 << 31;

/// A piece of the line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) column: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// `256x20`: its numbers, and whether an `x` ends it (`4x`).
    Quantity {
        numbers: Vec<usize>,
        factor: bool,
    },
    /// A word, with its parenthesis if one follows directly: `relu`, `leaky_relu(slope=0.2)`.
    Word(String),
    Open,
    Close,
    Comma,
    Equals,
    End,
}

impl Kind {
    /// How a message names it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Quantity { numbers, factor } => {
                let mut text: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                if *factor {
                    text.push(String::new());
                }
                format!("`{}`", text.join("x"))
            }
            Self::Word(word) => format!("`{word}`"),
            Self::Open => String::from("`(`"),
            Self::Close => String::from("`)`"),
            Self::Comma => String::from("`,`"),
            Self::Equals => String::from("`=`"),
            Self::End => String::from("the end of the line"),
        }
    }
}

pub(super) fn error(text: &str, column: usize, message: String) -> NetworkError {
    NetworkError::Architecture {
        text: text.to_owned(),
        column,
        message,
    }
}

/// All tokens of a line, ended by [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, NetworkError> {
    if text.contains(['\n', '\r']) {
        return Err(error(
            &text.replace(['\n', '\r'], " "),
            0,
            String::from("an architecture is one line; remove the line breaks"),
        ));
    }
    let characters: Vec<char> = text.chars().collect();
    let at = |k: usize| characters.get(k).copied();
    let mut tokens = Vec::new();
    let mut k = 0usize;
    while let Some(c) = at(k) {
        let column = k;
        let kind = match c {
            c if c.is_whitespace() => {
                k += 1;
                continue;
            }
            '(' => Kind::Open,
            ')' => Kind::Close,
            ',' => Kind::Comma,
            '=' => Kind::Equals,
            c if c.is_ascii_digit() => {
                let (kind, next) = quantity(text, &characters, k)?;
                tokens.push(Token { column, kind });
                k = next;
                continue;
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let mut word = String::new();
                while let Some(c) = at(k).filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c))
                {
                    word.push(c);
                    k += 1;
                }
                // Inside the architecture, a parenthesis after a word belongs to an activation.
                if at(k) == Some('(') && !tokens.is_empty() {
                    while let Some(c) = at(k) {
                        word.push(c);
                        k += 1;
                        if c == ')' {
                            break;
                        }
                    }
                }
                tokens.push(Token {
                    column,
                    kind: Kind::Word(word),
                });
                continue;
            }
            other => {
                return Err(error(
                    text,
                    column,
                    format!("`{other}` has no meaning here; expected a number, a word, `,` or `)`"),
                ));
            }
        };
        tokens.push(Token { column, kind });
        k += 1;
    }
    tokens.push(Token {
        column: characters.len(),
        kind: Kind::End,
    });
    Ok(tokens)
}

/// `256x20` starting at `k`, and where it ends.
fn quantity(text: &str, characters: &[char], mut k: usize) -> Result<(Kind, usize), NetworkError> {
    let mut numbers = Vec::new();
    let mut factor = false;
    loop {
        let start = k;
        let mut number = 0usize;
        while let Some(&c) = characters.get(k) {
            if c == '_' {
                k += 1;
                continue;
            }
            let Some(digit) = c.to_digit(10) else { break };
            number = number
                .checked_mul(10)
                .and_then(|n| n.checked_add(digit as usize))
                .filter(|&n| n <= LARGEST)
                .ok_or_else(|| {
                    error(
                        text,
                        start,
                        format!(
                            "this number is above {LARGEST}, the largest size a line may state"
                        ),
                    )
                })?;
            k += 1;
        }
        numbers.push(number);
        match characters.get(k) {
            Some('x' | 'X' | '×') => {
                k += 1;
                if !characters.get(k).is_some_and(char::is_ascii_digit) {
                    factor = true;
                    break;
                }
            }
            _ => break,
        }
    }
    if let Some(&c) = characters.get(k)
        && (c.is_alphanumeric() || c == '.')
    {
        return Err(error(
            text,
            k,
            format!(
                "`{c}` cannot follow a number; sizes are whole numbers joined by `x`, as in 256x20"
            ),
        ));
    }
    Ok((Kind::Quantity { numbers, factor }, k))
}

/// `, did you mean ...?` if one of the known words is near.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    let near = nearest(word, known.iter().copied());
    near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"))
}
