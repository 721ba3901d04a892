//! What depends on luck is a probability.

use fanin_check::repeat;
use fanin_plan::Recipe;

use crate::support::Case;

/// A ReLU network is born dead if the units of a layer are all off for every input. With biases of
/// zero and weights of mean zero, a layer of N units whose inputs lie in one direction is off with
/// probability 2^-N at each layer (Lu et al. 2019): P = 1 − (1 − 2^-N)^(hidden layers) is an upper
/// bound, and near the truth for narrow layers, where all samples soon are of one direction.
#[test]
fn narrow_networks_are_born_dead_as_often_as_computed() {
    for (width, hidden, bound) in [(2, 9, 0.925), (3, 9, 0.699), (8, 9, 0.0346)] {
        let line = format!("mlp(1, {width}x{hidden}, 1, relu)");
        let repeats = repeat(0..120, |seed| {
            Ok::<_, ()>(Case::seeded(&line, Recipe::Auto, seed).check())
        })
        .unwrap();
        let dead = repeats
            .findings
            .iter()
            .find(|found| found.code.to_string() == "F302");
        let share = dead.map_or(0.0, |found| found.share.share);
        let by_hand = 1.0 - (1.0 - 0.5f64.powi(width)).powi(hidden);
        assert!((by_hand - bound).abs() < 0.001);
        // Three deviations of 120 draws above the bound; below it by what two directions leave.
        let luck = 3.3 * (bound * (1.0 - bound) / 120.0).sqrt();
        assert!(
            share <= bound + luck + 0.01,
            "{width}: {share} against {bound}"
        );
        assert!(
            share >= 0.4 * bound - luck,
            "{width}: {share} against {bound}"
        );
        let total = repeats.faulty.share + repeats.doubtful.share + repeats.healthy.share;
        assert!((total - 1.0).abs() < 1e-12);
    }
}

#[test]
fn sound_networks_are_sound_with_every_seed() {
    let repeats = repeat(0..10, |seed| {
        Ok::<_, ()>(Case::seeded("mlp(32, 128x10, 10, relu)", Recipe::Auto, seed).check())
    })
    .unwrap();
    assert_eq!(repeats.healthy.count, 10);
    assert_eq!(repeats.seeds, (0..10).collect::<Vec<_>>());
}
