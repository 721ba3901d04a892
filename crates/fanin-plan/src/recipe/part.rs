//! What is no weight of its own but a part of one, whatever the recipe: lengths of a weight norm, factors,
//! low-rank pairs, and weights that are multiplied by a constant before they are used.

use fanin::Initializer;

use super::{Choice, Place, Recipe};
use crate::build;

/// The lengths of the rows of a weight norm, or a learned factor on a weight.
pub(super) fn scale(recipe: Recipe, place: &Place<'_>) -> Choice {
    let because = place.because();
    let one = || {
        Choice::new(
            build::ones(),
            format!("{because}: one, which changes nothing"),
        )
    };
    let Some(weight) = place.weight() else {
        return one();
    };
    let used = weight.as_weight();
    if !used.is_some_and(|used| used.scale_free) {
        return one();
    }
    // A row of n elements of deviation s has length s √n.
    let initializer = recipe.own(&weight).initializer;
    let filler = initializer.resolve(&weight.parameter.shape, &weight.parameter.layout);
    let std = filler.ok().and_then(|filler| filler.expected_std());
    let elements: f64 = used.map_or(1.0, |used| {
        let sizes = used.part.iter().map(|range| range.len() as f64);
        sizes.product()
    });
    let rows = place.parameter.len().max(1) as f64;
    match std {
        Some(std) if std > 0.0 => {
            let length = std * (elements / rows).sqrt();
            Choice::new(
                build::constant(length),
                format!(
                    "{because}: {length:.4}, the length that the rows of `{}` have as they are drawn, so that the weight is what it would be without the norm (Salimans & Kingma 2016)",
                    weight.parameter.name
                ),
            )
        }
        _ => one(),
    }
}

/// The side of a low-rank pair that makes the output.
pub(super) fn up(place: &Place<'_>) -> Choice {
    Choice::new(
        build::zeros(),
        format!(
            "{}: zero, so that the pair changes nothing at the start (Hu et al. 2021)",
            place.because()
        ),
    )
}

/// The side of a low-rank pair that reads the input.
pub(super) fn down(recipe: Recipe, place: &Place<'_>) -> Choice {
    let because = place.because();
    let fan = place.fans.map_or(1.0, |fans| fans.fan_in).max(1.0);
    match recipe {
        Recipe::Torch => Choice::new(
            build::symmetric_uniform(1.0 / fan.sqrt()),
            format!("{because}: PEFT draws it by kaiming_uniform(a=√5), which is U(±1/√fan_in)"),
        ),
        _ => Choice::new(
            build::fan_in_normal(1.0),
            format!("{because}: 1/fan_in keeps the variance of a linear layer (Hu et al. 2021)"),
        ),
    }
}

/// A choice for a weight that is multiplied by a constant before it is used: that much larger.
pub(super) fn unscaled(place: &Place<'_>, choice: Choice) -> Choice {
    let factor = place.as_weight().map_or(1.0, |weight| weight.factor.abs());
    if factor == 1.0 || !factor.is_normal() {
        return choice;
    }
    let Some(initializer) = times(&choice.initializer, 1.0 / factor) else {
        return choice;
    };
    Choice::new(
        initializer,
        format!(
            "{}; divided by {factor}, by which it is multiplied before it is used",
            choice.reason
        ),
    )
}

/// An initializer whose values are so many times as large; `None` where it has no such form, or its
/// values are all zero.
fn times(initializer: &Initializer, factor: f64) -> Option<Initializer> {
    let mut scaled = initializer.clone();
    match &mut scaled {
        Initializer::Constant(own) => own.value *= factor,
        Initializer::Uniform(own) => {
            own.low *= factor;
            own.high *= factor;
        }
        Initializer::Normal(own) => {
            own.mean *= factor;
            own.std *= factor;
        }
        Initializer::TruncatedNormal(own) => {
            own.mean *= factor;
            own.std *= factor;
        }
        Initializer::XavierUniform(own) => own.gain *= factor,
        Initializer::XavierNormal(own) => own.gain *= factor,
        Initializer::KaimingUniform(own) => own.gain *= factor,
        Initializer::KaimingNormal(own) => own.gain *= factor,
        Initializer::LecunNormal(own) => {
            return Some(build::fan_in_normal(own.gain * factor));
        }
        Initializer::Orthogonal(own) => own.gain *= factor,
        Initializer::Concat(own) => {
            for (_, part) in &mut own.parts {
                if let Some(times) = times(part, factor) {
                    *part = times;
                }
            }
        }
        _ => return None,
    }
    Some(scaled)
}
