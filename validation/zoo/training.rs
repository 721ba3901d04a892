//! Training the zoo, and the file that holds what came of it.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use fanin::Seed;
use fanin_network::{Dims, Network};
use fanin_plan::Recipe;
use fanin_run::train::{Optimizer, TrainOptions, train};
use fanin_train::{Course, Dataset, Form, Outcome, Start, TrainError, judge};
use serde::{Deserialize, Serialize};

use super::set::{Architecture, Member, Origin};

/// Steps of each training.
const STEPS: usize = 300;
/// Learning rates, half a decade apart. Two are tried for every start, then the neighbours of
/// the best; all of them where none of those has learned.
const RATES: [f64; 9] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1];
/// Part of the chance level that a training must get below it to have learned.
const LEARNED: f64 = 0.2;
/// Final losses that differ by more than this part of the chance level call for a third seed.
const APART: f64 = 0.05;
/// By more than this, for lower rates too.
const FAR_APART: f64 = 0.25;

/// What training one start came to, whatever the rules say of it. One line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trained {
    pub(crate) network: String,
    pub(crate) start: String,
    /// The changes that a fix made to the start before it was trained; `None` for the start itself.
    #[serde(default)]
    pub(crate) fix: Option<String>,
    pub(crate) rate: f64,
    /// The loss of an answer that does not look at the input.
    pub(crate) chance: f64,
    pub(crate) runs: Vec<Curve>,
}

/// One seed's training.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Curve {
    /// The loss of each step, to five digits.
    losses: Vec<f32>,
    diverged: bool,
}

impl Curve {
    fn last(&self) -> f64 {
        if self.diverged || self.losses.is_empty() {
            return f64::INFINITY;
        }
        let last = (self.losses.len() / 10).max(5).min(self.losses.len());
        let tail = self.losses.iter().rev().take(last);
        tail.map(|&loss| f64::from(loss)).sum::<f64>() / last as f64
    }
}

impl Trained {
    /// The run of median final loss; the worse of two.
    fn course(&self) -> Course {
        let run = median(&self.runs);
        Course::new(&run.losses, run.last())
    }
}

/// The run of median final loss; the worse of two.
fn median(runs: &[Curve]) -> &Curve {
    static NONE: Curve = Curve {
        losses: Vec::new(),
        diverged: true,
    };
    let mut runs: Vec<&Curve> = runs.iter().collect();
    runs.sort_by(|a, b| a.last().total_cmp(&b.last()));
    runs.get(runs.len() / 2).copied().unwrap_or(&NONE)
}

/// The outcomes of trainings of one network, each held against the best among `starts`.
///
/// The rule is that of `fanin compare` ([`judge`]), with the run of median final loss over the
/// seeds. What a fix came to is judged as one more start beside those without.
pub(crate) fn outcomes(starts: &[&Trained], judged: &[&Trained]) -> Vec<(Outcome, Option<f64>)> {
    judged
        .iter()
        .map(|one| {
            let courses = starts.iter().chain([one]).map(|start| start.course());
            let courses: Vec<Course> = courses.collect();
            let verdict = judge(one.chance, &courses, false).1.pop();
            verdict.map_or((Outcome::Fails, None), |v| (v.outcome, v.progress))
        })
        .collect()
}

/// Whether what the starts of a network came to says anything about the starts: the best gets a fifth
/// below the chance level, and half of its way within half of the steps, so that a start that is
/// twice as slow could still be seen to learn.
pub(crate) fn tells(starts: &[&Trained]) -> bool {
    let courses: Vec<Course> = starts.iter().map(|start| start.course()).collect();
    let chance = starts.first().map_or(f64::NAN, |start| start.chance);
    let (_, verdicts) = judge(chance, &courses, false);
    let pairs = courses.iter().zip(verdicts);
    let best = pairs.min_by(|(a, _), (b, _)| a.last.total_cmp(&b.last));
    best.is_some_and(|(course, verdict)| {
        let early = verdict.steps_to_half.is_some_and(|at| at <= STEPS / 2);
        early && course.last <= (1.0 - LEARNED) * chance
    })
}

/// All that was trained so far, in a file of JSON lines.
pub(crate) struct Archive {
    path: PathBuf,
    pub(crate) lines: Vec<Trained>,
}

impl Archive {
    /// Reads the file; one that is not there is empty. A last line that was cut off is dropped.
    pub(crate) fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let lines = text[..whole].lines().map(serde_json::from_str);
        let archive = Self {
            path: path.to_owned(),
            lines: lines.collect::<Result<_, _>>()?,
        };
        if whole < text.len() {
            std::fs::OpenOptions::new()
                .write(true)
                .open(path)?
                .set_len(whole as u64)?;
        }
        Ok(archive)
    }

    fn append(&mut self, trained: Vec<Trained>) -> Result<(), Box<dyn Error>> {
        let mut text = String::new();
        for line in &trained {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        }
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(&self.path)?;
        file.write_all(text.as_bytes())?;
        self.lines.extend(trained);
        Ok(())
    }

    /// Trainings of one network, those of fixed starts or the others.
    pub(crate) fn of(&self, network: &str, fixed: bool) -> Vec<&Trained> {
        let lines = self.lines.iter();
        lines
            .filter(|line| line.network == network && line.fix.is_some() == fixed)
            .collect()
    }

    /// Says that a fixed start came to what a recipe did, whose weights it has; `false` if the recipe
    /// has not been trained.
    pub(crate) fn copy(
        &mut self,
        network: &str,
        recipe: Recipe,
        start: &str,
        fix: &str,
    ) -> Result<bool, Box<dyn Error>> {
        let mut lines = self.lines.iter().filter(|line| line.network == network);
        let known = |line: &Trained| line.start == start && line.fix.as_deref() == Some(fix);
        if lines.clone().any(known) {
            return Ok(true);
        }
        let model = lines.find(|line| line.start == recipe.name() && line.fix.is_none());
        let Some(model) = model else {
            return Ok(false);
        };
        let same = Trained {
            start: start.to_owned(),
            fix: Some(fix.to_owned()),
            ..model.clone()
        };
        self.append(vec![same])?;
        Ok(true)
    }

    /// Trains the starts of a network that are not in the file yet.
    ///
    /// `starts` come with the changes that a fix made to them.
    pub(crate) fn train(
        &mut self,
        architecture: &Architecture,
        network: &Network,
        starts: Vec<(Start<'_>, Option<String>)>,
    ) -> Result<(), Box<dyn Error>> {
        let known: HashSet<(String, Option<String>)> = self
            .lines
            .iter()
            .filter(|line| line.network == architecture.line)
            .map(|line| (line.start.clone(), line.fix.clone()))
            .collect();
        let new = starts
            .into_iter()
            .filter(|(start, fix)| !known.contains(&(start.name().to_owned(), fix.clone())));
        let (starts, fixes): (Vec<Start<'_>>, Vec<Option<String>>) = new.unzip();
        if starts.is_empty() {
            return Ok(());
        }
        let form = Form::of(network)?;
        let dataset = architecture.task.generate(&form, Seed::new(0))?;
        let bench = Bench {
            network,
            dataset,
            batch: architecture.batch,
        };
        let jobs: Mutex<Vec<(Start<'_>, Option<String>)>> =
            Mutex::new(starts.into_iter().zip(fixes).collect());
        let done = Mutex::new((Vec::new(), None));
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some((start, fix)) = jobs.lock().ok().and_then(|mut j| j.pop()) {
                        let result = bench.train(&architecture.line, &start, fix);
                        let Ok(mut done) = done.lock() else { break };
                        match result {
                            Ok(trained) => done.0.push(trained),
                            Err(error) => done.1 = Some(error),
                        }
                    }
                });
            }
        });
        // A lock is poisoned only by a panic, which the scope has passed on already.
        let (trained, error) = done.into_inner().unwrap_or_default();
        self.append(trained)?;
        error.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// A network and its task.
struct Bench<'a> {
    network: &'a Network,
    dataset: Dataset,
    batch: usize,
}

impl Bench<'_> {
    /// Trains a start by Adam, which of all optimizers in use minds scales least, at the best of
    /// several rates: what fails here is the start's fault.
    fn train(
        &self,
        network: &str,
        start: &Start<'_>,
        fix: Option<String>,
    ) -> Result<Trained, TrainError> {
        let chance = self.dataset.chance;
        let mut tried: BTreeMap<usize, Curve> = BTreeMap::new();
        let mut open: Vec<usize> = vec![4, 6];
        loop {
            for at in open.drain(..) {
                tried.insert(at, self.run(start, RATES[at], 0)?);
            }
            let best = best(&tried);
            let learned = tried[&best].last() <= (1.0 - LEARNED) * chance;
            let all = 0..RATES.len();
            open.extend(
                all.filter(|at| !tried.contains_key(at) && (!learned || at.abs_diff(best) == 1)),
            );
            if open.is_empty() {
                break;
            }
        }
        // A rate that suits one seed may be the end of another: where they disagree, the next lower
        // ones are held against it, by the median of three seeds.
        let at = best(&tried);
        let mut chosen = self.more(start, at, &tried)?;
        if self.apart(&chosen.1, FAR_APART) {
            for lower in (0..at).rev().take(2) {
                let other = self.more(start, lower, &tried)?;
                if median(&other.1).last() < median(&chosen.1).last() {
                    chosen = other;
                }
            }
        }
        let (at, runs) = chosen;
        Ok(Trained {
            network: network.to_owned(),
            start: start.name().to_owned(),
            fix,
            rate: RATES[at],
            chance,
            runs,
        })
    }

    /// The first seed's run at a rate, a second's, and a third's where they disagree.
    fn more(
        &self,
        start: &Start<'_>,
        at: usize,
        tried: &BTreeMap<usize, Curve>,
    ) -> Result<(usize, Vec<Curve>), TrainError> {
        let first = match tried.get(&at) {
            Some(curve) => curve.clone(),
            None => self.run(start, RATES[at], 0)?,
        };
        let mut runs = vec![first, self.run(start, RATES[at], 1)?];
        if self.apart(&runs, APART) {
            runs.push(self.run(start, RATES[at], 2)?);
        }
        Ok((at, runs))
    }

    /// Whether the first two seeds differ by more than a part of the chance level.
    fn apart(&self, runs: &[Curve], part: f64) -> bool {
        let [first, second, ..] = runs else {
            return false;
        };
        let apart = (first.last() - second.last()).abs();
        // The distance between two that diverged is undefined.
        apart.is_nan() || apart > part * self.dataset.chance
    }

    fn run(&self, start: &Start<'_>, rate: f64, seed: u64) -> Result<Curve, TrainError> {
        let seed = Seed::new(seed);
        let weights = start.weights(seed)?;
        let options = TrainOptions {
            threads: Some(1),
            ..TrainOptions::new(self.dataset.objective, Optimizer::ADAM)
        };
        let mut batches = self.dataset.batches(self.batch, seed);
        let mut batch_list = Vec::with_capacity(STEPS);
        for _ in 0..STEPS {
            batch_list.push(batches.batch()?);
        }
        let mut curve = Curve::default();
        train(self.network, &weights, &options, |trainer| {
            for batch in &batch_list {
                let step = trainer.step(batch, rate, false)?;
                if step.loss.is_finite() {
                    let short = format!("{:.4e}", step.loss);
                    curve.losses.push(short.parse().unwrap_or(step.loss as f32));
                }
                if step.diverged {
                    curve.diverged = true;
                    break;
                }
            }
            Ok(())
        })?;
        Ok(curve)
    }
}

/// The rate of least final loss.
fn best(tried: &BTreeMap<usize, Curve>) -> usize {
    let by = |a: &(&usize, &Curve), b: &(&usize, &Curve)| a.1.last().total_cmp(&b.1.last());
    tried.iter().min_by(by).map_or(0, |(at, _)| *at)
}

/// A network of the zoo, open.
pub(crate) fn open(architecture: &Architecture) -> Result<Network, Box<dyn Error>> {
    let dims = Dims {
        batch: Some(architecture.batch),
        ..Dims::default()
    };
    Ok(fanin_network::open(&architecture.line, &dims)?)
}

/// The start of a member, and the weights that were spoilt in it.
pub(crate) fn start<'a>(network: &'a Network, member: &Member) -> (Start<'a>, Vec<String>) {
    let name = member.name.as_str();
    match member.origin {
        Origin::Recipe(recipe) => (Start::recipe(network, recipe), Vec::new()),
        Origin::Mutant(mutation, reach) => {
            let names = reach.names(network);
            let spoilt = names.clone();
            let base = Start::recipe(network, Recipe::Auto);
            let make = move |seed: Seed| -> Result<_, TrainError> {
                let mut weights = base.weights(seed)?;
                mutation.apply(network, &spoilt, &mut weights, seed)?;
                Ok(weights)
            };
            (Start::new(name, make), names)
        }
    }
}

/// Trained lines by start, of one network.
pub(crate) fn by_start<'a>(lines: &[&'a Trained]) -> BTreeMap<&'a str, &'a Trained> {
    let pairs = lines.iter().map(|line| (line.start.as_str(), *line));
    pairs.collect()
}
