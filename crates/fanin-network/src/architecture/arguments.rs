//! The arguments of an architecture, taken one by one; what is left over is an error.

use fanin::Activation;

use super::lexer::{self, Kind, Token, suggestion};
use crate::NetworkError;

/// A word and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) column: usize,
}

/// One argument.
#[derive(Clone, Debug)]
struct Argument {
    key: Option<Word>,
    value: Token,
}

/// Sizes and where they stand.
#[derive(Clone, Debug)]
pub(super) struct Quantity {
    pub(super) numbers: Vec<usize>,
    pub(super) factor: bool,
    pub(super) column: usize,
}

/// The arguments of an architecture.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    text: String,
    pub(super) name: Word,
    list: Vec<Argument>,
    end: usize,
}

impl Arguments {
    pub(super) fn parse(text: &str) -> Result<Self, NetworkError> {
        let tokens = lexer::tokens(text)?;
        let mut stream = tokens.into_iter().peekable();
        let end = text.chars().count();
        let error = |column: usize, message: String| Err(lexer::error(text, column, message));
        let mut next = || {
            stream.next().unwrap_or(Token {
                column: end,
                kind: Kind::End,
            })
        };
        let first = next();
        let Kind::Word(name) = first.kind else {
            return error(
                first.column,
                format!(
                    "expected the name of an architecture, such as mlp(784, 256x20, 10, tanh), not {}",
                    first.kind.describe()
                ),
            );
        };
        let name = Word {
            text: name,
            column: first.column,
        };
        let open = next();
        if open.kind != Kind::Open {
            return error(
                open.column,
                format!(
                    "expected `(` after `{}`, not {}",
                    name.text,
                    open.kind.describe()
                ),
            );
        }
        let mut list: Vec<Argument> = Vec::new();
        let mut token = next();
        loop {
            if token.kind == Kind::Close {
                break;
            }
            let (key, value, after) = match token.kind {
                Kind::Word(ref word) => {
                    let after = next();
                    if after.kind == Kind::Equals {
                        let key = Word {
                            text: word.clone(),
                            column: token.column,
                        };
                        let value = next();
                        (Some(key), value, next())
                    } else {
                        (None, token, after)
                    }
                }
                _ => (None, token, next()),
            };
            if !matches!(value.kind, Kind::Word(_) | Kind::Quantity { .. }) {
                return error(
                    value.column,
                    format!("expected a size or a word, not {}", value.kind.describe()),
                );
            }
            if let Some(key) = &key
                && list
                    .iter()
                    .any(|a| a.key.as_ref().is_some_and(|k| k.text == key.text))
            {
                return error(key.column, format!("`{}` is given twice", key.text));
            }
            list.push(Argument { key, value });
            match after.kind {
                Kind::Close => break,
                Kind::Comma => token = next(),
                other => {
                    return error(
                        after.column,
                        format!("expected `,` or `)`, not {}", other.describe()),
                    );
                }
            }
            if token.kind == Kind::Close {
                return error(
                    token.column,
                    String::from("expected another argument after the comma, not `)`"),
                );
            }
        }
        let rest = next();
        if rest.kind != Kind::End {
            return error(
                rest.column,
                format!(
                    "nothing may follow the closing `)`, but {} does",
                    rest.kind.describe()
                ),
            );
        }
        Ok(Self {
            text: text.to_owned(),
            name,
            list,
            end,
        })
    }

    pub(super) fn error(&self, column: usize, message: String) -> NetworkError {
        lexer::error(&self.text, column, message)
    }

    /// Where the closing parenthesis stands, to point at what is missing.
    pub(super) fn close(&self) -> usize {
        self.end.saturating_sub(1)
    }

    /// The quantities without a key, in order.
    pub(super) fn sizes(&mut self) -> Vec<Quantity> {
        let mut sizes = Vec::new();
        self.list.retain(|argument| match &argument.value.kind {
            Kind::Quantity { numbers, factor } if argument.key.is_none() => {
                sizes.push(Quantity {
                    numbers: numbers.clone(),
                    factor: *factor,
                    column: argument.value.column,
                });
                false
            }
            _ => true,
        });
        sizes
    }

    fn take(&mut self, key: &str) -> Option<Token> {
        let position = self
            .list
            .iter()
            .position(|a| a.key.as_ref().is_some_and(|k| k.text == key))?;
        Some(self.list.remove(position).value)
    }

    /// A number by key.
    pub(super) fn number(&mut self, key: &str) -> Result<Option<Quantity>, NetworkError> {
        let Some(token) = self.take(key) else {
            return Ok(None);
        };
        match token.kind {
            Kind::Quantity { numbers, factor } if numbers.len() == 1 => Ok(Some(Quantity {
                numbers,
                factor,
                column: token.column,
            })),
            other => Err(self.error(
                token.column,
                format!("`{key}` is one number, not {}", other.describe()),
            )),
        }
    }

    /// A positive number by key, without a factor.
    pub(super) fn count(&mut self, key: &str, default: usize) -> Result<usize, NetworkError> {
        let Some(quantity) = self.number(key)? else {
            return Ok(default);
        };
        self.positive(&quantity, key)
    }

    /// A positive number that must be there.
    pub(super) fn required(&mut self, key: &str) -> Result<(usize, usize), NetworkError> {
        let Some(quantity) = self.number(key)? else {
            return Err(self.error(
                self.close(),
                format!("`{}` needs `{key}=` and a number", self.name.text),
            ));
        };
        Ok((self.positive(&quantity, key)?, quantity.column))
    }

    fn positive(&self, quantity: &Quantity, key: &str) -> Result<usize, NetworkError> {
        match quantity.numbers[..] {
            [n] if n > 0 && !quantity.factor => Ok(n),
            _ => Err(self.error(
                quantity.column,
                format!("`{key}` is a number of at least 1"),
            )),
        }
    }

    /// Whether this word is given by this key, which is taken then.
    pub(super) fn says(&mut self, key: &str, word: &str) -> bool {
        let given = |a: &Argument| {
            a.key.as_ref().is_some_and(|k| k.text == key)
                && matches!(&a.value.kind, Kind::Word(w) if w == word)
        };
        match self.list.iter().position(given) {
            Some(position) => {
                self.list.remove(position);
                true
            }
            None => false,
        }
    }

    /// `true` or `false` by key.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> Result<bool, NetworkError> {
        Ok(match self.choice(key, &["true", "false"])? {
            Some(word) => word == "true",
            None => default,
        })
    }

    /// One of several words by key.
    pub(super) fn choice(
        &mut self,
        key: &str,
        among: &[&'static str],
    ) -> Result<Option<&'static str>, NetworkError> {
        let Some(token) = self.take(key) else {
            return Ok(None);
        };
        if let Kind::Word(word) = &token.kind
            && let Some(found) = among.iter().find(|known| *known == word)
        {
            return Ok(Some(found));
        }
        let hint = match &token.kind {
            Kind::Word(word) => suggestion(word, among),
            _ => String::new(),
        };
        Err(self.error(
            token.column,
            format!(
                "`{key}` cannot be {}{hint}; it is one of {}",
                token.kind.describe(),
                among.join(", ")
            ),
        ))
    }

    /// The activation: by key, or the one word without a key.
    pub(super) fn activation(&mut self, default: Activation) -> Result<Activation, NetworkError> {
        let token = match self.take("activation") {
            Some(token) => token,
            None => {
                let position = self
                    .list
                    .iter()
                    .position(|a| a.key.is_none() && matches!(a.value.kind, Kind::Word(_)));
                match position {
                    Some(position) => self.list.remove(position).value,
                    None => return Ok(default),
                }
            }
        };
        let Kind::Word(word) = &token.kind else {
            return Err(self.error(
                token.column,
                format!(
                    "an activation is a word, such as relu, not {}",
                    token.kind.describe()
                ),
            ));
        };
        let activation: Activation = word.parse().map_err(|e: fanin::ParseError| {
            let message = e.to_string();
            // The position inside the word says little beside the caret.
            let message = message
                .split_once(": ")
                .map_or(message.as_str(), |(_, m)| m);
            self.error(token.column, message.to_owned())
        })?;
        if matches!(
            activation,
            Activation::Glu | Activation::ReGlu | Activation::GeGlu | Activation::SwiGlu
        ) {
            return Err(self.error(
                token.column,
                format!("`{word}` gates one half by the other; say gated=true in a transformer, with the gate's activation"),
            ));
        }
        Ok(activation)
    }

    /// Refuses whatever no one has taken.
    pub(super) fn finish(&self, options: &[&str]) -> Result<(), NetworkError> {
        let Some(argument) = self.list.first() else {
            return Ok(());
        };
        let mut known = options.to_vec();
        known.sort_unstable();
        Err(match &argument.key {
            Some(key) => self.error(
                key.column,
                format!(
                    "`{}` has no option `{}`{}; it has {}",
                    self.name.text,
                    key.text,
                    suggestion(&key.text, &known),
                    known.join(", ")
                ),
            ),
            None => self.error(
                argument.value.column,
                format!(
                    "{} is one argument too many for `{}`",
                    argument.value.kind.describe(),
                    self.name.text
                ),
            ),
        })
    }
}

/// Hidden layers as `(width, column)`, one entry per layer, from `256x20` and `128`.
pub(super) fn layers(
    arguments: &Arguments,
    sizes: &[Quantity],
) -> Result<Vec<Vec<usize>>, NetworkError> {
    /// More layers than anyone runs, few enough to build in memory.
    const MOST: usize = 20_000;
    let mut groups = Vec::new();
    let mut total = 0usize;
    for size in sizes {
        let (width, count) = match size.numbers[..] {
            _ if size.factor => (0, 0),
            [width] => (width, 1),
            [width, count] => (width, count),
            _ => (0, 0),
        };
        if width == 0 || count == 0 {
            return Err(arguments.error(
                size.column,
                String::from(
                    "hidden layers are a width, or a width and how many: 256 or 256x20, none of them 0",
                ),
            ));
        }
        total = total.saturating_add(count);
        if total > MOST {
            return Err(arguments.error(
                size.column,
                format!("a line may describe at most {MOST} layers"),
            ));
        }
        groups.push(vec![width; count]);
    }
    Ok(groups)
}

/// A single positive size.
pub(super) fn single(
    arguments: &Arguments,
    size: &Quantity,
    what: &str,
) -> Result<usize, NetworkError> {
    match size.numbers[..] {
        [n] if n > 0 && !size.factor => Ok(n),
        _ => Err(arguments.error(size.column, format!("{what} is one number of at least 1"))),
    }
}

/// First, middle and last of the positional sizes.
pub(super) fn ends<'a>(
    arguments: &Arguments,
    sizes: &'a [Quantity],
    example: &str,
) -> Result<(&'a Quantity, &'a [Quantity], &'a Quantity), NetworkError> {
    match sizes {
        [first, middle @ .., last] => Ok((first, middle, last)),
        _ => Err(arguments.error(
            arguments.close(),
            format!("expected at least two sizes, the input's and the output's, as in {example}"),
        )),
    }
}
