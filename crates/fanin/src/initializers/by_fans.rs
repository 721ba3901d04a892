//! Distributions whose width depends on the fans, which differ between fused parts.

use super::rule::Unfit;
use crate::filler::Values;
use crate::sampler::{self, Sampler};
use crate::spans::Spans;
use crate::{Axis, Fans, Layout, LayoutError};

/// Every fused part by a sampler of its own fans.
pub(super) fn by_fans(
    shape: &[usize],
    layout: &Layout,
    sampler: impl Fn(Fans) -> Sampler,
) -> Result<Values, LayoutError> {
    let samplers: Vec<Sampler> = layout.part_fans(shape)?.into_iter().map(sampler).collect();
    let alike = samplers.windows(2).all(|pair| pair[0] == pair[1]);
    let axis = layout.axes.iter().position(|axis| *axis == Axis::Output);
    Ok(match (alike, axis, samplers.first()) {
        (true, _, Some(sampler)) => Values::Each(sampler.clone()),
        (_, Some(axis), _) => Values::Parts(
            Spans::new(shape, axis, layout.fused.iter().copied()),
            samplers,
        ),
        // There is always a part, and parts have an axis.
        _ => Values::Each(Sampler::Constant(0.0)),
    })
}

/// N(0, std²), of a std that depends on the fans; 0 where there is nothing to fill.
pub(super) fn normal_by_fans(
    shape: &[usize],
    layout: &Layout,
    std: impl Fn(Fans) -> f64,
) -> Result<Values, Unfit> {
    Ok(by_fans(shape, layout, |fans| {
        let std = std(fans);
        Sampler::Normal(sampler::Normal {
            mean: 0.0,
            std: if std.is_finite() { std } else { 0.0 },
        })
    })?)
}

/// U(±bound), likewise.
pub(super) fn uniform_by_fans(
    shape: &[usize],
    layout: &Layout,
    bound: impl Fn(Fans) -> f64,
) -> Result<Values, Unfit> {
    Ok(by_fans(shape, layout, |fans| {
        let bound = bound(fans);
        let bound = if bound.is_finite() { bound } else { 0.0 };
        Sampler::Uniform(sampler::Uniform {
            low: -bound,
            high: bound,
        })
    })?)
}
