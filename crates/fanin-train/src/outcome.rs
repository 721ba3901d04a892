//! The rule by which a start's training is called good, slow or failed.

use serde::Serialize;

/// What a start came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It goes most of the way that the best start goes, and about as fast.
    Trains,
    /// It gets somewhere, but less far or much later than the best start.
    Slow,
    /// It stays near the loss of an answer that does not look at the input, or its numbers run away.
    Fails,
    /// No start has learned anything yet, and the trainings were cut short.
    TooEarly,
}

/// An outcome and the numbers that decided it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// The outcome.
    pub outcome: Outcome,
    /// The share of the way from the chance level to the best start's final loss; 1 for the best,
    /// negative where it ends above chance, `None` where it diverged.
    pub progress: Option<f64>,
    /// Steps until the loss had come half of that way; `None` if it never did.
    pub steps_to_half: Option<usize>,
}

/// Share of the way below which a start has failed.
pub(crate) const FAILED: f64 = 0.2;
/// Share of the way from which on it trains.
pub(crate) const TRAINED: f64 = 0.8;
/// How many times later than the fastest it may be half way, and still train rather than be slow.
pub(crate) const LATE: f64 = 4.0;
/// Share of the chance level that the best start must get below it, or nobody has learned.
const LEARNED: f64 = 0.05;
/// Half ways this short are alike.
const FEW: usize = 10;

/// Smoothed final loss and curve of a run or of the median over several.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Infinite where it diverged.
    pub last: f64,
    /// Smoothed loss per step.
    pub curve: Vec<f64>,
}

impl Course {
    /// The course of a training of these losses, step by step.
    pub fn new(losses: &[f32], last: f64) -> Self {
        Self {
            last,
            curve: smooth(losses, span(losses.len())),
        }
    }
}

/// Judges all starts of one network together.
///
/// With chance level c, best final loss b among all starts and a start's final loss l, its progress
/// is (c - l) / (c - b). It fails below 0.2, trains from 0.8 on if it was half way within 4 times the
/// steps of the fastest start that trains (ten steps count as none), and is slow in between. If the
/// best start is not 5 % below chance, all fail, and there is no half way to time them to;
/// unless the trainings were `cut` short of the steps they were meant to have: then it is too early
/// to tell of those whose numbers have not run away.
///
/// Returns the loss half way, the target that all are timed to, and the verdict on each.
pub fn judge(chance: f64, courses: &[Course], cut: bool) -> (Option<f64>, Vec<Judgement>) {
    let best = courses.iter().fold(f64::INFINITY, |b, c| b.min(c.last));
    let way = chance - best;
    let learned = way >= LEARNED * chance;
    let half = chance - 0.5 * way;
    let mut verdicts: Vec<Judgement> = courses
        .iter()
        .map(|course| {
            let progress = course
                .last
                .is_finite()
                .then(|| (chance - course.last) / way);
            let steps_to_half = course.curve.iter().position(|&l| l <= half);
            let outcome = match progress {
                Some(_) if !learned && cut => Outcome::TooEarly,
                _ if !learned => Outcome::Fails,
                Some(p) if p >= TRAINED => Outcome::Trains,
                Some(p) if p >= FAILED => Outcome::Slow,
                _ => Outcome::Fails,
            };
            Judgement {
                outcome,
                progress: progress.filter(|_| learned),
                steps_to_half: steps_to_half.filter(|_| learned),
            }
        })
        .collect();
    let trained = verdicts.iter().filter(|v| v.outcome == Outcome::Trains);
    let fastest = trained.filter_map(|v| v.steps_to_half).min();
    if let Some(fastest) = fastest {
        let latest = LATE * fastest.max(FEW) as f64;
        for verdict in &mut verdicts {
            let late = verdict.steps_to_half.is_none_or(|s| s as f64 > latest);
            if verdict.outcome == Outcome::Trains && late {
                verdict.outcome = Outcome::Slow;
            }
        }
    }
    (learned.then_some(half), verdicts)
}

/// Steps that a curve is smoothed over.
pub(crate) fn span(steps: usize) -> f64 {
    (steps as f64 / 40.0).max(5.0)
}

/// Exponential mean of a loss curve over about `span` steps, unbiased at its beginning.
pub(crate) fn smooth(losses: &[f32], span: f64) -> Vec<f64> {
    let keep = 1.0 - 1.0 / span.max(1.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    losses
        .iter()
        .map(|&loss| {
            sum = keep * sum + (1.0 - keep) * f64::from(loss);
            weight = keep * weight + (1.0 - keep);
            sum / weight
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(from: f64, to: f64, steps: usize, time: f64) -> Course {
        let curve: Vec<f64> = (0..steps)
            .map(|t| to + (from - to) * (-(t as f64) / time).exp())
            .collect();
        Course {
            last: curve.last().copied().unwrap(),
            curve,
        }
    }

    #[test]
    fn the_rule_is_the_one_that_is_written() {
        let chance = 2.3;
        let (target, verdicts) = judge(
            chance,
            &[
                course(2.3, 0.1, 400, 20.0),
                course(2.3, 0.3, 400, 30.0),
                course(2.3, 1.2, 400, 30.0),
                course(2.3, 2.2, 400, 30.0),
                course(2.3, 0.1, 400, 110.0),
                Course {
                    last: f64::INFINITY,
                    curve: vec![2.3, 50.0],
                },
                course(9.0, 3.0, 400, 20.0),
            ],
            true,
        );
        let outcomes: Vec<Outcome> = verdicts.iter().map(|v| v.outcome).collect();
        use Outcome::{Fails, Slow, Trains};
        assert_eq!(outcomes, [Trains, Trains, Slow, Fails, Slow, Fails, Fails]);
        assert_eq!(verdicts[0].progress, Some(1.0));
        let target = target.unwrap();
        assert!((target - (2.3 + 0.1) / 2.0).abs() < 1e-6, "{target}");
        assert_eq!(verdicts[5].progress, None);
        assert!(verdicts[6].progress.unwrap() < 0.0);
    }

    #[test]
    fn where_nobody_learns_all_fail_unless_cut_short() {
        let away = Course {
            last: f64::INFINITY,
            curve: vec![2.3, 50.0],
        };
        let courses = [course(2.3, 2.29, 50, 5.0), course(2.3, 2.28, 50, 5.0), away];
        let (target, verdicts) = judge(2.3, &courses, false);
        assert!(verdicts.iter().all(|v| v.outcome == Outcome::Fails));
        assert_eq!(target, None);
        let (target, verdicts) = judge(2.3, &courses, true);
        let outcomes: Vec<Outcome> = verdicts.iter().map(|v| v.outcome).collect();
        assert_eq!(
            outcomes,
            [Outcome::TooEarly, Outcome::TooEarly, Outcome::Fails]
        );
        assert_eq!(target, None);
    }

    #[test]
    fn smoothing_keeps_a_constant() {
        let smoothed = smooth(&[3.0; 7], 10.0);
        assert!(smoothed.iter().all(|v| (v - 3.0).abs() < 1e-9));
    }
}
