//! Weights of several layers in one tensor: each slice is planned as the weight it is.

use std::ops::Range;

use fanin::{Axis, Initializer, Layout};
use fanin_network::{Feeds, Layer, Parameter, ParameterId, Purpose, Role};

use super::{Choice, Facts, Place, Recipe};
use crate::build;

/// One slice of a tensor along an axis, and the layer whose weight it is.
struct Slice<'a> {
    range: Range<usize>,
    layer: &'a Layer,
}

/// The choice for a tensor that holds the weights of several layers, where one initializer for the whole
/// would not give each what it needs; `None` where it does, or where it holds one weight.
pub(super) fn choose(recipe: Recipe, place: &Place<'_>, whole: &Choice) -> Option<Choice> {
    let parameter = place.parameter;
    let (axis, slices) = slices(place.facts, place.index, parameter)?;
    let meaning = *parameter.layout.axes.get(axis)?;
    let mut choices: Vec<(usize, Choice)> = Vec::new();
    let mut end = 0;
    for slice in &slices {
        let own = alone(parameter, axis, slice);
        let own = Place::new(place.network, place.facts, place.index, &own);
        let choice = recipe.own(&own);
        // What nobody uses is drawn as its neighbour is.
        let unused = slice.range.start - end;
        if unused > 0 {
            choices.push((unused, choice.clone()));
        }
        choices.push((slice.range.len(), choice));
        end = slice.range.end;
    }
    let size = *parameter.shape.get(axis)?;
    if let Some((_, last)) = choices.last().filter(|_| end < size) {
        choices.push((size - end, last.clone()));
    }
    let (_, first) = choices.first()?;
    let alike = choices
        .iter()
        .all(|(_, choice)| choice.initializer == first.initializer);
    // An orthogonal matrix beside another one makes no orthogonal matrix of both.
    let apart = meaning != Axis::Stack && matches!(whole.initializer, Initializer::Orthogonal(_));
    if alike && !apart {
        return None;
    }
    let mut reasons: Vec<&str> = Vec::new();
    for (_, choice) in &choices {
        if !reasons.contains(&choice.reason.as_str()) {
            reasons.push(&choice.reason);
        }
    }
    let reason = format!(
        "{} weights in one tensor, each for itself: {}",
        slices.len(),
        reasons.join("; ")
    );
    let parts = choices
        .into_iter()
        .map(|(size, choice)| (size, choice.initializer));
    Some(Choice::new(build::concat(axis, parts.collect()), reason))
}

/// The slices of a tensor that are weights of layers of their own, if they are cut along one axis.
fn slices<'a>(
    facts: &'a Facts<'_>,
    index: usize,
    parameter: &Parameter,
) -> Option<(usize, Vec<Slice<'a>>)> {
    let mut axis = None;
    let mut slices: Vec<Slice<'a>> = Vec::new();
    for layer in facts.layers.using(ParameterId::from(index)) {
        let mut weights = layer.weights.iter();
        let weight = weights.find(|weight| weight.parameter.index() == index)?;
        let mut cut = weight.part.iter().zip(&parameter.shape).enumerate();
        let (own, (range, _)) = cut.find(|(_, (range, size))| range.len() < **size)?;
        if cut.any(|(_, (range, size))| range.len() < *size) || *axis.get_or_insert(own) != own {
            return None;
        }
        if slices.iter().all(|slice| slice.range != *range) {
            let range = range.clone();
            slices.push(Slice { range, layer });
        }
    }
    slices.sort_by_key(|slice| slice.range.start);
    let apart = slices
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.range.end <= b.range.start));
    (apart && !slices.is_empty()).then_some((axis?, slices))
}

/// The slice as a parameter of its own.
fn alone(parameter: &Parameter, axis: usize, slice: &Slice<'_>) -> Parameter {
    let mut shape = parameter.shape.clone();
    if let Some(size) = shape.get_mut(axis) {
        *size = slice.range.len();
    }
    let layer = slice.layer;
    let main = layer.weight().filter(|weight| {
        let role: Role = weight.role;
        role != Role::WeightScale
    });
    Parameter {
        layout: Layout {
            fused: Vec::new(),
            sides: None,
            ..parameter.layout.clone()
        },
        shape,
        purpose: Purpose {
            role: main.map_or(parameter.purpose.role, |weight| weight.role),
            feeds: match parameter.purpose.feeds {
                Feeds::Mixed => layer.feeds,
                feeds => feeds,
            },
            norm_follows: layer.norm_follows,
            residual_branches: layer.branches,
            tied: false,
            ..parameter.purpose.clone()
        },
        ..parameter.clone()
    }
}
