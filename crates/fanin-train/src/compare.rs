//! The comparison: every start at its own rate, several seeds, within a budget.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanin::Seed;
use fanin_network::Network;
use fanin_network::memory::FreeMemory;
use fanin_run::Need;
use fanin_run::train::{Optimizer, TrainOptions, Trainer, train};

use crate::outcome::{Course, judge, smooth, span};
use crate::{Comparison, Dataset, Form, Run, Start, StartResult, TrainError, Tried, sweep};

/// The learning rate.
#[derive(Clone, Debug, PartialEq)]
pub enum Rate {
    /// The same for all starts.
    Fixed(f64),
    /// For each start the best of these by successive halving; `None` for the optimizer's own grid.
    Sweep(Option<Vec<f64>>),
}

/// How to compare.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What changes the weights.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub rate: Rate,
    /// Steps over which the rate rises from zero; 0 for none.
    pub warmup: usize,
    /// Most norm of all gradients together; `None` for any.
    pub clip: Option<f64>,
    /// Steps of each training; fewer where the budget asks for it.
    pub steps: usize,
    /// Seeds per start.
    pub seeds: usize,
    /// The first of them; the others follow.
    pub seed: u64,
    /// Wall-clock time that all of it may take: where it is short, fewer steps are made, and where
    /// that leaves too few, fewer rates are tried.
    pub budget: Option<Duration>,
    /// Steps at which gradients and units are looked at; the last step is looked at anyway.
    pub looks: Vec<usize>,
    /// Trainings side by side, each on one thread; `None` for as many as there are processors and
    /// free memory has room for. What they come to does not depend on it.
    pub workers: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            optimizer: Optimizer::SGD,
            rate: Rate::Sweep(None),
            warmup: 0,
            clip: None,
            steps: 300,
            seeds: 3,
            seed: 0,
            budget: None,
            looks: vec![0, 1, 3, 10, 30, 100, 300, 1000],
            workers: None,
        }
    }
}

/// A training at a step that is looked at, before the step: the start's place, the step, the
/// trainer with the weights as they are. Once more after the last step, which counts as one beyond.
pub(crate) type Probe<'p> = dyn Fn(usize, usize, &Trainer<'_>) + Sync + 'p;

/// Trains a network from each start and tells the outcomes.
///
/// First each start gets its learning rate ([`Rate`]); then seed by seed all starts are trained, so
/// that what there is when `stop` is set or the budget is spent compares all of them. `progress` is
/// told jobs done and all jobs, from any thread.
///
/// Without a budget the result depends on nothing but its arguments.
///
/// # Errors
///
/// Settings without sense, a network that cannot be run on the data or whose training takes more
/// memory than is free, weights that cannot be made.
pub fn compare(
    network: &Network,
    starts: &[Start<'_>],
    dataset: &Dataset,
    settings: &Settings,
    progress: &(dyn Fn(usize, usize) + Sync),
    stop: &AtomicBool,
) -> Result<Comparison, TrainError> {
    compare_probed(network, starts, dataset, settings, progress, stop, None)
}

/// [`compare()`], with somebody who looks into the trainings of the first seed.
pub(crate) fn compare_probed(
    network: &Network,
    starts: &[Start<'_>],
    dataset: &Dataset,
    settings: &Settings,
    progress: &(dyn Fn(usize, usize) + Sync),
    stop: &AtomicBool,
    probe: Option<&Probe<'_>>,
) -> Result<Comparison, TrainError> {
    let begun = Instant::now();
    let batch = Form::of(network)?.batch();
    let rates = rates(settings)?;
    Need::training(network, settings.optimizer).fits(FreeMemory::now())?;
    let bench = Bench {
        network,
        dataset,
        settings,
        batch,
        stop,
        probe,
        deadline: settings.budget.map(|budget| begun + budget),
    };
    if starts.is_empty() || settings.steps == 0 || settings.seeds == 0 {
        return Err(TrainError::Request(
            "there is nothing to compare: give at least one start, one seed and one step"
                .to_owned(),
        ));
    }
    let (rates, steps) = bench.affordable(starts, rates)?;
    let per_start: usize = sweep_rounds(&rates, steps).iter().map(|r| r.0).sum();
    let count = Counter {
        done: Mutex::new(0),
        all: starts.len() * (per_start + settings.seeds),
        tell: progress,
    };
    let Tournament { tried, best: tries } = bench.tournament(starts, &rates, steps, &count)?;
    let spent = tried.iter().flatten().map(|t| t.steps).sum();
    let steps = bench.left(steps, spent, starts.len(), begun);
    let chosen: Vec<Option<f64>> = tried
        .iter()
        .map(|tried| match rates[..] {
            [rate] => Some(rate),
            _ => best(tried),
        })
        .collect();
    let mut jobs = Vec::new();
    for k in 0..settings.seeds {
        for (s, rate) in chosen.iter().enumerate() {
            if let Some(rate) = *rate {
                jobs.push(Job {
                    start: s,
                    seed: settings.seed.wrapping_add(k as u64),
                    rate,
                    steps,
                    looks: true,
                });
            }
        }
    }
    let mut runs: Vec<Vec<Run>> = starts.iter().map(|_| Vec::new()).collect();
    for (job, run) in jobs.iter().zip(bench.run_all(starts, &jobs, &count)?) {
        runs[job.start].extend(run);
    }
    // Ended before: the best of the tries is what there is.
    for (runs, best) in runs.iter_mut().zip(tries) {
        if runs.iter().all(|run| run.losses.is_empty())
            && let Some(best) = best
        {
            *runs = vec![Run {
                complete: false,
                ..best
            }];
        }
    }
    let mut results: Vec<StartResult> = starts
        .iter()
        .zip(tried)
        .zip(chosen.iter().zip(runs))
        .map(|((start, tried), (&rate, runs))| start_result(start, tried, rate, runs))
        .collect();
    let complete = results
        .iter()
        .all(|r| r.runs.len() == settings.seeds && r.runs.iter().all(|run| run.complete));
    let cut = !complete || steps < settings.steps;
    let target = verdicts(dataset.chance, &mut results, cut);
    Ok(Comparison {
        task: dataset.name.clone(),
        chance: dataset.chance,
        chance_accuracy: dataset.chance_accuracy,
        target,
        optimizer: settings.optimizer,
        steps,
        batch,
        weights: network
            .parameters
            .iter()
            .filter(|parameter| parameter.shape.len() > 1)
            .map(|parameter| parameter.name.clone())
            .collect(),
        starts: results,
        complete,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// The rates to choose from; a single one needs no tournament.
fn rates(settings: &Settings) -> Result<Vec<f64>, TrainError> {
    let rates = match &settings.rate {
        Rate::Fixed(rate) => vec![*rate],
        Rate::Sweep(Some(rates)) => rates.clone(),
        Rate::Sweep(None) => sweep::grid(settings.optimizer),
    };
    if rates.is_empty() || rates.iter().any(|r| !(r.is_finite() && *r > 0.0)) {
        return Err(TrainError::Request(
            "learning rates must be positive numbers, at least one".to_owned(),
        ));
    }
    Ok(rates)
}

fn sweep_rounds(rates: &[f64], steps: usize) -> Vec<(usize, usize)> {
    match rates.len() {
        1 => Vec::new(),
        n => sweep::rounds(n, sweep::first_round(n, steps)),
    }
}

/// The rate of the lowest loss in the longest tries; the smaller of equals. Where all diverged, the
/// smallest rate, whose run will show it.
fn best(tried: &[Tried]) -> Option<f64> {
    let longest = tried.iter().map(|t| t.steps).max()?;
    let last = tried.iter().filter(|t| t.steps == longest);
    let by = |a: &&Tried, b: &&Tried| a.loss.total_cmp(&b.loss).then(a.rate.total_cmp(&b.rate));
    last.min_by(by).map(|t| t.rate)
}

fn start_result(
    start: &Start<'_>,
    tried: Vec<Tried>,
    rate: Option<f64>,
    runs: Vec<Run>,
) -> StartResult {
    let mut finals: Vec<f64> = runs.iter().map(Run::final_loss).collect();
    finals.sort_by(f64::total_cmp);
    StartResult {
        name: start.name().to_owned(),
        // A try that stands for a training has its own.
        rate: runs.first().map(|run| run.rate).or(rate),
        tried,
        final_loss: (!finals.is_empty()).then(|| finals[finals.len() / 2]),
        spread: finals.first().copied().zip(finals.last().copied()),
        runs,
        steps_to_target: None,
        verdict: None,
    }
}

/// Judges the starts that have runs, each by its run of median loss: those that came to their end,
/// where there are any. Trainings that were cut short are compared over the steps they all had.
/// Times every run to the target, which is returned.
fn verdicts(chance: f64, results: &mut [StartResult], cut: bool) -> Option<f64> {
    let pools: Vec<(usize, Vec<&Run>)> = results
        .iter()
        .enumerate()
        .filter_map(|(k, result)| {
            let some = |done: bool| -> Vec<&Run> {
                let runs = result.runs.iter();
                runs.filter(|r| r.complete == done && !r.losses.is_empty())
                    .collect()
            };
            let pool = [some(true), some(false)]
                .into_iter()
                .find(|p| !p.is_empty())?;
            Some((k, pool))
        })
        .collect();
    let lasting = pools.iter().flat_map(|(_, pool)| pool);
    let lasting = lasting.filter(|run| run.diverged_at.is_none());
    let steps = lasting.map(|run| run.losses.len()).min().unwrap_or(0);
    let (places, courses): (Vec<usize>, Vec<Course>) = pools
        .into_iter()
        .filter_map(|(k, mut pool)| {
            pool.sort_by(|a, b| a.loss_after(steps).total_cmp(&b.loss_after(steps)));
            let median = pool.get(pool.len() / 2)?;
            let losses = &median.losses[..steps.min(median.losses.len())];
            Some((k, Course::new(losses, median.loss_after(steps))))
        })
        .unzip();
    let (target, verdicts) = judge(chance, &courses, cut);
    for (k, verdict) in places.into_iter().zip(verdicts) {
        results[k].verdict = Some(verdict);
    }
    for result in results.iter_mut() {
        for run in &mut result.runs {
            let curve = smooth(&run.losses, span(steps));
            run.steps_to_target = target.and_then(|t| curve.iter().position(|&l| l <= t));
        }
        let mut all: Vec<usize> = result
            .runs
            .iter()
            .filter_map(|r| r.steps_to_target)
            .collect();
        all.sort_unstable();
        // Those that never came there are the slowest.
        result.steps_to_target = all.get(result.runs.len() / 2).copied();
    }
    target
}

/// Bytes that all trainings side by side may take together where it is not known what is free.
const MEMORY: u64 = 4 << 30;
/// Steps below which fewer rates are tried.
const ENOUGH: usize = 60;

#[derive(Clone, Copy)]
struct Job {
    start: usize,
    seed: u64,
    rate: f64,
    steps: usize,
    /// Whether to look at gradients and held-out samples.
    looks: bool,
}

/// What came of trying the rates, by start.
struct Tournament {
    tried: Vec<Vec<Tried>>,
    /// The best try of the longest.
    best: Vec<Option<Run>>,
}

/// Jobs done, told to whoever listens.
struct Counter<'a> {
    done: Mutex<usize>,
    all: usize,
    tell: &'a (dyn Fn(usize, usize) + Sync),
}

impl Counter<'_> {
    fn count(&self) {
        if let Ok(mut done) = self.done.lock() {
            *done += 1;
            (self.tell)(*done, self.all);
        }
    }
}

struct Bench<'a> {
    network: &'a Network,
    dataset: &'a Dataset,
    settings: &'a Settings,
    batch: usize,
    stop: &'a AtomicBool,
    probe: Option<&'a Probe<'a>>,
    deadline: Option<Instant>,
}

impl Bench<'_> {
    fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || !self.has_room(Duration::ZERO)
    }

    /// Whether what takes so long would end before the budget does.
    fn has_room(&self, time: Duration) -> bool {
        self.deadline.is_none_or(|end| Instant::now() + time < end)
    }

    fn workers(&self) -> usize {
        let fitting = || {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let free = FreeMemory::now().bytes().unwrap_or(MEMORY);
            let each = Need::training(self.network, self.settings.optimizer);
            let each = each.bytes().unwrap_or(u64::MAX).max(1);
            usize::try_from(free / each).map_or(processors, |fit| processors.min(fit))
        };
        self.settings.workers.unwrap_or_else(fitting).max(1)
    }

    /// The rates to try and the steps of each training that the budget has room for, reckoned from
    /// the time of a few.
    fn affordable(
        &self,
        starts: &[Start<'_>],
        rates: Vec<f64>,
    ) -> Result<(Vec<f64>, usize), TrainError> {
        let most = self.settings.steps;
        let (Some(budget), Some(start)) = (self.settings.budget, starts.first()) else {
            return Ok((rates, most));
        };
        let job = Job {
            start: 0,
            seed: self.settings.seed,
            rate: 1e-6,
            steps: 3.min(most),
            looks: false,
        };
        let run = self.run(start, &job)?;
        let one = run.seconds / run.losses.len().max(1) as f64;
        // Weights have to be made too, and machines have other things to do.
        let room = 0.75 * budget.as_secs_f64() * self.workers() as f64 / starts.len() as f64;
        let fitting = |rates: usize| {
            let cost = |steps: usize| {
                let sweep = if rates > 1 {
                    sweep::cost(rates, steps)
                } else {
                    0
                };
                (sweep + self.settings.seeds * steps) as f64 * one
            };
            // The cost grows with the steps.
            let (mut low, mut high) = (1, most.max(1));
            while low < high {
                let middle = low + (high - low).div_ceil(2);
                if cost(middle) <= room {
                    low = middle;
                } else {
                    high = middle - 1;
                }
            }
            low
        };
        // A curve of a few steps says nothing: rather one in the middle of the rates than that.
        let mut keep = rates.len();
        while keep > 1 && fitting(keep) < ENOUGH.min(most) {
            keep /= 2;
        }
        let first = (rates.len() - keep) / 2;
        Ok((rates[first..first + keep].to_vec(), fitting(keep)))
    }

    /// Steps that there is still room for, now that so many have been `spent` since the beginning:
    /// what a few steps told beforehand was careful, and a busy machine is slower yet.
    fn left(&self, steps: usize, spent: usize, starts: usize, begun: Instant) -> usize {
        let (Some(deadline), true) = (self.deadline, spent > 0) else {
            return steps;
        };
        let now = Instant::now();
        let one = (now - begun).as_secs_f64() / spent as f64;
        let room = 0.9 * deadline.saturating_duration_since(now).as_secs_f64();
        let each = room / one / (starts * self.settings.seeds).max(1) as f64;
        (each as usize).clamp(1, self.settings.steps)
    }

    /// Tries the rates for each start, round by round.
    fn tournament(
        &self,
        starts: &[Start<'_>],
        rates: &[f64],
        steps: usize,
        count: &Counter<'_>,
    ) -> Result<Tournament, TrainError> {
        let mut tried: Vec<Vec<Tried>> = starts.iter().map(|_| Vec::new()).collect();
        let mut best: Vec<Option<Run>> = vec![None; starts.len()];
        let mut left: Vec<Vec<f64>> = starts.iter().map(|_| rates.to_vec()).collect();
        for (keep, steps) in sweep_rounds(rates, steps) {
            let mut jobs = Vec::new();
            for (start, left) in left.iter_mut().enumerate() {
                left.truncate(keep);
                jobs.extend(left.iter().map(|&rate| Job {
                    start,
                    seed: self.settings.seed,
                    rate,
                    steps,
                    looks: false,
                }));
            }
            let mut round: Vec<Vec<Tried>> = starts.iter().map(|_| Vec::new()).collect();
            for (job, run) in jobs.iter().zip(self.run_all(starts, &jobs, count)?) {
                if let Some(run) = run.filter(|run| run.complete) {
                    let loss = run.final_loss();
                    round[job.start].push(Tried {
                        rate: job.rate,
                        steps,
                        loss,
                    });
                    let best = &mut best[job.start];
                    let longer = |old: &Run| old.losses.len() < run.losses.len();
                    if best
                        .as_ref()
                        .is_none_or(|old| longer(old) || loss < old.final_loss())
                    {
                        *best = Some(run);
                    }
                }
            }
            for ((left, tried), mut round) in left.iter_mut().zip(&mut tried).zip(round) {
                tried.extend(&round);
                round.sort_by(|a, b| a.loss.total_cmp(&b.loss).then(a.rate.total_cmp(&b.rate)));
                *left = round.into_iter().map(|t| t.rate).collect();
            }
        }
        Ok(Tournament { tried, best })
    }

    /// Runs jobs side by side; `None` for those that were not begun before the end.
    fn run_all(
        &self,
        starts: &[Start<'_>],
        jobs: &[Job],
        count: &Counter<'_>,
    ) -> Result<Vec<Option<Run>>, TrainError> {
        let queue: Mutex<VecDeque<usize>> = Mutex::new((0..jobs.len()).collect());
        let results: Mutex<Vec<Option<Run>>> = Mutex::new(vec![None; jobs.len()]);
        let failed: Mutex<Option<TrainError>> = Mutex::new(None);
        let next = || queue.lock().ok()?.pop_front();
        std::thread::scope(|scope| {
            for _ in 0..self.workers().min(jobs.len()) {
                scope.spawn(|| {
                    while !self.over() {
                        let Some(k) = next() else { break };
                        let job = &jobs[k];
                        match self.run(&starts[job.start], job) {
                            Ok(run) => {
                                if let Ok(mut results) = results.lock() {
                                    results[k] = Some(run);
                                }
                                count.count();
                            }
                            Err(error) => {
                                if let Ok(mut failed) = failed.lock() {
                                    failed.get_or_insert(error);
                                }
                                if let Ok(mut queue) = queue.lock() {
                                    queue.clear();
                                }
                            }
                        }
                    }
                });
            }
        });
        // A lock is poisoned only by a panic, which the scope has passed on already.
        if let Some(error) = failed.into_inner().unwrap_or_default() {
            return Err(error);
        }
        Ok(results.into_inner().unwrap_or_default())
    }

    fn run(&self, start: &Start<'_>, job: &Job) -> Result<Run, TrainError> {
        let seed = Seed::new(job.seed);
        let weights = start.weights(seed)?;
        let settings = self.settings;
        let options = TrainOptions {
            clip: settings.clip,
            threads: Some(1),
            ..TrainOptions::new(self.dataset.objective, settings.optimizer)
        };
        let begun = Instant::now();
        let mut run = Run {
            seed: job.seed,
            rate: job.rate,
            losses: Vec::with_capacity(job.steps),
            accuracies: Vec::new(),
            looks: Vec::new(),
            held_out_loss: None,
            held_out_accuracy: None,
            diverged_at: None,
            steps_to_target: None,
            complete: false,
            seconds: 0.0,
        };
        let mut batches = self.dataset.batches(self.batch, seed);
        // The dataset's own errors pass through the session beside its result.
        let mut fault: Option<TrainError> = None;
        // Of the steps so far; a look at the held-out samples takes about one more.
        let mut longest = Duration::ZERO;
        let after = u32::from(job.looks);
        train(self.network, &weights, &options, |trainer| {
            let mut whole = true;
            for step in 0..job.steps {
                if self.over() {
                    return Ok(());
                }
                if !self.has_room(longest * (1 + after)) {
                    whole = false;
                    break;
                }
                let began = Instant::now();
                let batch = match batches.batch() {
                    Ok(batch) => batch,
                    Err(error) => {
                        fault = Some(error);
                        return Ok(());
                    }
                };
                let warm = (step + 1) as f64 / settings.warmup.max(1) as f64;
                let last = step + 1 == job.steps;
                let look = job.looks && (last || settings.looks.contains(&step));
                if look {
                    self.probe(job, step, trainer);
                }
                let done = trainer.step(&batch, job.rate * warm.min(1.0), look)?;
                longest = longest.max(began.elapsed());
                run.losses.push(done.loss as f32);
                run.accuracies.extend(done.accuracy.map(|a| a as f32));
                run.looks.extend(done.look.map(|look| (step, look)));
                if done.diverged {
                    run.diverged_at = Some(step);
                    break;
                }
            }
            if job.looks && run.diverged_at.is_none() {
                self.probe(job, job.steps, trainer);
                match self.dataset.held_out(self.batch, 0) {
                    Ok(_) => self.score(trainer, &mut run, longest)?,
                    Err(error) => fault = Some(error),
                }
            }
            run.complete = whole;
            Ok(())
        })?;
        run.seconds = begun.elapsed().as_secs_f64();
        match fault {
            Some(error) => Err(error),
            None => Ok(run),
        }
    }

    fn probe(&self, job: &Job, step: usize, trainer: &Trainer<'_>) {
        if let (Some(probe), true) = (self.probe, job.seed == self.settings.seed) {
            probe(job.start, step, trainer);
        }
    }

    /// Loss and accuracy on the held-out samples, up to eight batches of them, each of which takes
    /// about so long.
    fn score(
        &self,
        trainer: &mut Trainer<'_>,
        run: &mut Run,
        each: Duration,
    ) -> Result<(), fanin_run::RunError> {
        let held = self.dataset.count() - self.dataset.training();
        let batches = held.div_ceil(self.batch.max(1)).clamp(1, 8);
        let (mut loss, mut accuracy, mut done) = (0.0, None, 0usize);
        for k in 0..batches {
            // A large network is slow here, too.
            if done > 0 && (self.over() || !self.has_room(each)) {
                break;
            }
            let Ok(batch) = self.dataset.held_out(self.batch, k) else {
                continue;
            };
            let (l, a) = trainer.evaluate(&batch)?;
            done += 1;
            loss += l;
            if let Some(a) = a {
                *accuracy.get_or_insert(0.0) += a;
            }
        }
        run.held_out_loss = (done > 0).then(|| loss / done as f64);
        run.held_out_accuracy = accuracy.map(|a: f64| a / done as f64);
        Ok(())
    }
}
