//! The learning rate of each start: a short tournament.

/// Rates a start may be given, half a decade apart, smallest first.
pub(crate) fn grid(optimizer: fanin_run::train::Optimizer) -> Vec<f64> {
    // Adam's steps are of the size of the rate, whatever the gradient.
    let (lowest, highest) = match optimizer {
        fanin_run::train::Optimizer::Sgd { .. } => (-6, 1),
        fanin_run::train::Optimizer::Adam { .. } => (-8, -2),
    };
    (lowest..=highest)
        .map(|k| 10f64.powf(f64::from(k) / 2.0))
        .collect()
}

/// Rounds of successive halving (Jamieson & Talwalkar 2016): runs of `steps` for `candidates` rates,
/// of twice the steps for the better half, and so on until two or fewer have been tried.
pub(crate) fn rounds(candidates: usize, steps: usize) -> Vec<(usize, usize)> {
    let mut rounds = Vec::new();
    let (mut left, mut steps) = (candidates, steps.max(1));
    while left > 0 {
        rounds.push((left, steps));
        if left <= 2 {
            break;
        }
        left = left.div_ceil(2);
        steps *= 2;
    }
    rounds
}

/// Steps of the first round where the whole training has `steps`: the last round has a quarter to
/// a half of them.
pub(crate) fn first_round(candidates: usize, steps: usize) -> usize {
    let doublings = rounds(candidates, 1).last().map_or(1, |&(_, s)| s);
    (steps / (2 * doublings)).max(1)
}

/// Steps that the tournament of one start takes in all.
pub(crate) fn cost(candidates: usize, steps: usize) -> usize {
    let rounds = rounds(candidates, first_round(candidates, steps));
    rounds.iter().map(|&(left, steps)| left * steps).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanin_run::train::Optimizer;

    #[test]
    fn the_grid_is_half_a_decade_apart() {
        let rates = grid(Optimizer::SGD);
        assert_eq!(rates.len(), 8);
        assert!((rates[0] - 1e-3).abs() < 1e-12 && (rates[6] - 1.0).abs() < 1e-12);
        assert!((grid(Optimizer::ADAM)[0] - 1e-4).abs() < 1e-12);
    }

    #[test]
    fn halves_stay_and_steps_double() {
        assert_eq!(rounds(8, 10), [(8, 10), (4, 20), (2, 40)]);
        assert_eq!(rounds(7, 1), [(7, 1), (4, 2), (2, 4)]);
        assert_eq!(rounds(1, 5), [(1, 5)]);
        assert_eq!(first_round(8, 400), 50);
        // 8 · 50 + 4 · 100 + 2 · 200
        assert_eq!(cost(8, 400), 1200);
        assert_eq!(first_round(8, 1), 1);
    }
}
