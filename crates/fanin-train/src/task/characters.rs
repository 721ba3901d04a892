//! A small language: a lexicon drawn at random, sentences by a probabilistic grammar.

use fanin::Seed;

use super::made::Made;
use crate::random::Draw;
use crate::{Form, Input, Output, Samples};

/// Most characters, the space among them.
const ALPHABET: usize = 28;
/// Words of each kind.
const WORDS: usize = 12;

/// Kinds of words; the grammar is
///
/// ```text
/// sentence = group verb [ group | preposition group ] stop
/// group    = article { adjective } noun        adjectives: one more with probability 1/3
/// ```
///
/// and the article agrees with its noun: each noun takes one of two.
struct Lexicon {
    articles: Vec<Vec<i64>>,
    adjectives: Vec<Vec<i64>>,
    nouns: Vec<Vec<i64>>,
    verbs: Vec<Vec<i64>>,
    prepositions: Vec<Vec<i64>>,
}

const SPACE: i64 = 0;
const STOP: i64 = 1;

impl Lexicon {
    fn new(letters: usize, draw: &mut Draw) -> Self {
        let mut words = |n: usize, shortest: usize, longest: usize| -> Vec<Vec<i64>> {
            (0..n)
                .map(|_| {
                    let length = shortest + draw.below(longest - shortest + 1);
                    (0..length)
                        .map(|_| 2 + draw.below(letters) as i64)
                        .collect()
                })
                .collect()
        };
        Self {
            articles: words(2, 2, 3),
            adjectives: words(WORDS, 3, 6),
            nouns: words(WORDS, 3, 6),
            verbs: words(WORDS, 3, 5),
            prepositions: words(4, 2, 3),
        }
    }

    fn sentence(&self, text: &mut Vec<i64>, draw: &mut Draw) {
        self.group(text, draw);
        say(text, pick(&self.verbs, draw));
        match draw.below(3) {
            0 => {}
            1 => self.group(text, draw),
            _ => {
                say(text, pick(&self.prepositions, draw));
                self.group(text, draw);
            }
        }
        text.push(STOP);
        text.push(SPACE);
    }

    fn group(&self, text: &mut Vec<i64>, draw: &mut Draw) {
        let noun = draw.below(self.nouns.len());
        say(text, &self.articles[noun % self.articles.len()]);
        while draw.below(3) == 0 {
            say(text, pick(&self.adjectives, draw));
        }
        say(text, &self.nouns[noun]);
    }
}

fn pick<'a>(words: &'a [Vec<i64>], draw: &mut Draw) -> &'a [i64] {
    &words[draw.below(words.len())]
}

fn say(text: &mut Vec<i64>, word: &[i64]) {
    text.extend_from_slice(word);
    text.push(SPACE);
}

/// Pieces of one long text, each starting anywhere; the target of a step is the next character.
pub(super) fn make(form: &Form, count: usize, seed: Seed) -> Made {
    let (Input::Tokens { time, vocabulary }, Output::StepClasses { classes, .. }) =
        (form.input, form.output)
    else {
        // `Task::misfit` has refused everything else.
        return Made::classes(form, Vec::new(), Vec::new());
    };
    let mut draw = Draw::new(seed, "characters");
    let alphabet = vocabulary.min(classes).min(ALPHABET);
    let lexicon = Lexicon::new((alphabet - 2).max(1), &mut draw);
    let mut inputs = Vec::with_capacity(count * time);
    let mut targets = Vec::with_capacity(count * time);
    for _ in 0..count {
        let mut text = Vec::new();
        let skip = draw.below(24);
        while text.len() < skip + time + 1 {
            lexicon.sentence(&mut text, &mut draw);
        }
        inputs.extend_from_slice(&text[skip..skip + time]);
        targets.extend_from_slice(&text[skip + 1..skip + time + 1]);
    }
    Made {
        inputs: Samples::Integers(inputs),
        targets: Samples::Integers(targets),
        target_shape: vec![time],
    }
}
