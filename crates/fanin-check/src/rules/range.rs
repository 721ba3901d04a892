//! F704: the format's range is too small.

use std::collections::BTreeMap;

use fanin::DType;
use fanin_theory::{Band, Expected};

use super::Rule;
use crate::context::{Context, number};
use crate::main_path::Place;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(704);

const PAGE: Page = Page {
    code: CODE,
    title: "values or gradients outside the format's range",
    what: "In the format asked for with --dtype a value would be infinite, or small values and gradients would become zero.",
    why: "An infinity spreads to the loss in the same pass. What is below the smallest normal number loses its digits, what is below the smallest subnormal is zero: the layers behind get no gradient.",
    judged: "The largest of n Gaussian elements is about rms · √(2 ln n). The rms is the one theory expects at the \
value, or the measured one where it has no rule; the run itself is in f32. A value above the \
format's largest number is an error (65504 for f16, 3.4e38 for bf16), an rms below its smallest \
normal number a warning (6.1e-5, 1.2e-38), below its smallest subnormal an error. Gradients may be \
scaled as a whole (loss scaling), so only their spread counts: an error if no one factor brings all \
of them into range.",
    fix: "Keep the signal's scale (F101 to F202 name the layer); for gradients use bf16, or residual connections and norms that keep them alike.",
    reference: "IEEE 754-2019; Micikevicius et al. 2018, arXiv:1710.03740",
};

/// The numbers a format has.
#[derive(Clone, Copy, Debug)]
struct Range {
    largest: f64,
    normal: f64,
    subnormal: f64,
}

fn range(dtype: DType) -> Range {
    let with = |largest, normal: i32, subnormal: i32| Range {
        largest,
        normal: 2f64.powi(normal),
        subnormal: 2f64.powi(subnormal),
    };
    match dtype {
        DType::F16 => with(65504.0, -14, -24),
        DType::BF16 => with(3.389_531_389_251_535_5e38, -126, -133),
        DType::F8E4M3 => with(448.0, -6, -9),
        DType::F8E5M2 => with(57344.0, -14, -16),
        DType::F32 => with(f64::from(f32::MAX), -126, -149),
        DType::F64 => with(f64::MAX, -1022, -1074),
        // OCP 8-bit floating point, revision 1.0.
    }
}

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(dtype) = context.options.dtype else {
        return Vec::new();
    };
    let range = range(dtype);
    let expected: BTreeMap<&str, &Expected> = context
        .prediction
        .values
        .iter()
        .map(|expected| (expected.value.as_str(), expected))
        .collect();
    let signals: Vec<Signal<'_, '_>> = context
        .main_path
        .places
        .iter()
        .filter_map(|place| signal(place, expected.get(place.seen.value.as_str()).copied()))
        .collect();
    let forward = overflow(dtype, range, &signals).or_else(|| underflow(dtype, range, &signals));
    let gradients = spread(dtype, range, &signals);
    forward.into_iter().chain(gradients).collect()
}

struct Signal<'a, 'b> {
    place: &'b Place<'a>,
    rms: f64,
    band: [f64; 2],
    /// How many times the rms the largest element is about.
    peak: f64,
    gradient: Option<f64>,
}

fn signal<'a, 'b>(place: &'b Place<'a>, expected: Option<&Expected>) -> Option<Signal<'a, 'b>> {
    let finite = |band: &Band| band.rms.is_finite() && band.rms > 0.0;
    let forward = expected.and_then(|e| e.forward).filter(finite);
    let backward = expected.and_then(|e| e.backward).filter(finite);
    let seen = place.seen.forward.rms;
    let (rms, band) = match forward {
        Some(band) => (band.rms, [band.low, band.high]),
        None => (seen, [seen, seen]),
    };
    let count: f64 = place.seen.shape.iter().map(|&size| size as f64).product();
    let gradient = backward.map(|band| band.rms);
    let gradient = gradient.or(place.seen.backward.as_ref().map(|g| g.rms));
    // Zeros by design (a zero head, a zero branch) are in range.
    (rms > 0.0 && seen > 0.0).then(|| Signal {
        place,
        rms,
        band,
        peak: (2.0 * count.max(2.0).ln()).sqrt(),
        gradient: gradient.filter(|rms| *rms > 0.0),
    })
}

fn overflow(dtype: DType, range: Range, signals: &[Signal<'_, '_>]) -> Option<Finding> {
    let first = signals.iter().find(|s| s.rms * s.peak > range.largest)?;
    let message = format!(
        "`{}` puts out elements up to about {} (rms {}), where {} ends at {}",
        first.place.seen.node,
        number(first.rms * first.peak),
        number(first.rms),
        dtype,
        number(range.largest)
    );
    let limit = range.largest / first.peak;
    Some(finding(
        first,
        Severity::Error,
        message,
        limit,
        [0.0, limit],
    ))
}

fn underflow(dtype: DType, range: Range, signals: &[Signal<'_, '_>]) -> Option<Finding> {
    let first = signals.iter().find(|s| s.rms < range.normal)?;
    let least = signals.iter().min_by(|a, b| a.rms.total_cmp(&b.rms))?;
    let severity = if least.rms < range.subnormal {
        Severity::Error
    } else {
        Severity::Warning
    };
    let message = format!(
        "from `{}` on the rms is below {}, the smallest normal number of {}: it falls to {} at `{}`",
        first.place.seen.node,
        number(range.normal),
        dtype,
        number(least.rms),
        least.place.seen.node
    );
    let band = [range.normal, range.largest];
    Some(finding(first, severity, message, range.normal, band))
}

fn spread(dtype: DType, range: Range, signals: &[Signal<'_, '_>]) -> Option<Finding> {
    let known = || signals.iter().filter_map(|s| Some((s, s.gradient?)));
    let (top, high) = known().max_by(|a, b| (a.1 * a.0.peak).total_cmp(&(b.1 * b.0.peak)))?;
    let (bottom, low) = known().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let measured = high * top.peak / low;
    let limit = range.largest / range.subnormal;
    if measured <= limit {
        return None;
    }
    let message = format!(
        "gradients range from rms {} at `{}` to {} at `{}`: no loss scale brings both into {}",
        number(low),
        bottom.place.seen.node,
        number(high),
        top.place.seen.node,
        dtype
    );
    let mut finding = finding(bottom, Severity::Error, message, limit, [1.0, limit]);
    finding.evidence = Evidence::new(measured, limit, [1.0, limit]);
    Some(finding)
}

fn finding(
    signal: &Signal<'_, '_>,
    severity: Severity,
    message: String,
    limit: f64,
    band: [f64; 2],
) -> Finding {
    let seen = signal.place.seen;
    let certain = if signal.band[0] < signal.band[1] {
        format!(
            "{message} (theory expects an rms between {} and {})",
            number(signal.band[0]),
            number(signal.band[1])
        )
    } else {
        message
    };
    Finding {
        code: CODE,
        severity,
        node: seen.node.clone(),
        parameter: signal.place.weight.map(|weight| weight.name.clone()),
        message: certain,
        evidence: Evidence::new(signal.rms, limit, band),
        fix: None,
        further_fixes: Vec::new(),
    }
}
