//! Tables whose rows are picked by ids or positions.

use fanin_network::Parameter;

use super::{Choice, Place};
use crate::build;

/// What language models use; small beside what layers make of it.
const SMALL: f64 = 0.02;

pub(super) fn tokens(place: &Place<'_>) -> Choice {
    let because = place.because();
    let std = std(place.parameter);
    let why = if place.parameter.purpose.tied {
        let logits = std * (place.width() as f64).sqrt();
        format!(
            "std {std:.4} gives the tied output head logits of std {logits:.3}, so that the loss starts near ln of the vocabulary (Radford et al. 2019)"
        )
    } else if place.parameter.purpose.norm_follows {
        "the norm that follows sets the scale, and small rows turn in few steps (Devlin et al. 2019)"
            .to_owned()
    } else {
        "unit variance, which is what the layers behind it expect (Raffel et al. 2020)".to_owned()
    };
    Choice::new(build::normal(std), format!("{because}: {why}"))
}

pub(super) fn positions(place: &Place<'_>) -> Choice {
    let because = place.because();
    let (std, why) = match place.embedding() {
        Some(tokens) => (
            std(tokens),
            format!(
                "as large as the rows of `{}` that it is added to, so that neither drowns the other (Radford et al. 2019)",
                tokens.name
            ),
        ),
        None => (
            SMALL,
            "small beside the patches it is added to (Dosovitskiy et al. 2021)".to_owned(),
        ),
    };
    Choice::new(build::normal(std), format!("{because}: {why}"))
}

/// Standard deviation of a token embedding.
fn std(tokens: &Parameter) -> f64 {
    let width = tokens.shape.last().copied().unwrap_or(1).max(1) as f64;
    if tokens.purpose.tied {
        // Logits have std √width · std; beyond one the first loss would exceed ln of the vocabulary.
        SMALL.min(1.0 / width.sqrt())
    } else if tokens.purpose.norm_follows {
        SMALL
    } else {
        1.0
    }
}
