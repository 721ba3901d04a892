//! The scale of a weight: what it was drawn with, what it should be, and the schemes that leave it.

use fanin::{Activation, Axis, Fans};
use fanin_network::{Feeds, Parameter, Role};
use fanin_run::ParameterObservation;
use fanin_theory::band::DEVIATIONS;

/// A scheme that sets the variance of a weight from its fans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    He,
    HeOut,
    Lecun,
    Xavier,
    Torch,
}

impl Family {
    const ALL: [Self; 5] = [
        Self::He,
        Self::HeOut,
        Self::Lecun,
        Self::Xavier,
        Self::Torch,
    ];

    pub(crate) fn variance(self, fans: Fans) -> f64 {
        match self {
            Self::He => 2.0 / fans.fan_in,
            Self::HeOut => 2.0 / fans.fan_out,
            Self::Lecun => 1.0 / fans.fan_in,
            Self::Xavier => 2.0 / (fans.fan_in + fans.fan_out),
            Self::Torch => 1.0 / (3.0 * fans.fan_in),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::He => "He (2/fan_in)",
            Self::HeOut => "He by fan_out (2/fan_out)",
            Self::Lecun => "LeCun (1/fan_in)",
            Self::Xavier => "Xavier (2/(fan_in + fan_out))",
            Self::Torch => "PyTorch's default (1/(3 fan_in))",
        }
    }

    /// The first scheme whose variance agrees with a measured one.
    pub(crate) fn of(size: &Size, fans: Fans) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|family| size.agrees(family.variance(fans)))
    }
}

/// The schemes that suit an activation; none where several scales are in use and none is wrong.
pub(crate) fn wanted(activation: Activation) -> &'static [Family] {
    match activation {
        Activation::Relu | Activation::LeakyRelu { .. } | Activation::PRelu => {
            &[Family::He, Family::HeOut]
        }
        Activation::Clip { low, high } if low == 0.0 && high >= 3.0 => &[Family::He, Family::HeOut],
        Activation::Tanh | Activation::HardTanh | Activation::Softsign => {
            &[Family::Xavier, Family::Lecun]
        }
        Activation::Selu => &[Family::Lecun],
        _ => &[],
    }
}

/// The measured variance of a weight and how far luck moves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) variance: f64,
    /// Half the width of the log of the interval.
    pub(crate) reach: f64,
}

impl Size {
    /// Of n Gaussian draws the sample variance is σ² χ²ₙ/n, whose log deviates by √(2/n); 1 % more
    /// for the forms that schemes have in different libraries.
    ///
    /// `factor` is what lies between the tensor and the layer ([`Context::factor`]).
    ///
    /// [`Context::factor`]: crate::context::Context::factor
    pub(crate) fn of(seen: &ParameterObservation, factor: f64) -> Option<Self> {
        let n: f64 = seen.shape.iter().map(|&size| size as f64).product();
        let centred = seen.mean.abs() <= (DEVIATIONS / n.sqrt() + 0.01) * seen.rms;
        let sound = seen.non_finite == 0 && seen.rms > 0.0 && seen.range.0 < seen.range.1;
        (sound && centred).then(|| Self {
            variance: (seen.rms * factor).powi(2),
            reach: DEVIATIONS * (2.0 / n).sqrt() + 0.01,
        })
    }

    pub(crate) fn agrees(&self, variance: f64) -> bool {
        (self.variance / variance).ln().abs() <= self.reach
    }
}

/// The activation that a plain weight feeds, where its scale matters: no norm follows and it ends no
/// residual branch.
pub(crate) fn fed_activation(parameter: &Parameter) -> Option<Activation> {
    let purpose = &parameter.purpose;
    let plain = purpose.role == Role::Weight
        && !purpose.norm_follows
        && purpose.residual_branches.is_none();
    match purpose.feeds {
        Feeds::Activation(activation) if plain => Some(activation),
        _ => None,
    }
}

/// Fans that a slip would give in place of the right ones: the kind of slip, words for it, the fans.
pub(crate) fn slips(parameter: &Parameter, fans: Fans) -> Vec<(&'static str, String, Fans)> {
    let layout = &parameter.layout;
    let size = |axis: Axis| -> f64 {
        let pairs = layout.axes.iter().zip(&parameter.shape);
        pairs
            .filter(|(a, _)| **a == axis)
            .map(|(_, &n)| n as f64)
            .product()
    };
    let (field, rows) = (size(Axis::Field), size(Axis::Lookup));
    let groups = match layout.groups {
        0 => size(Axis::Output),
        n => n as f64,
    };
    let stride: f64 = layout.stride.iter().map(|&s| s as f64).product();
    let with = |fan_in: f64, fan_out: f64| Fans { fan_in, fan_out };
    let mut all = vec![(
        "exchanged",
        format!(
            "fan_in and fan_out are exchanged ({} for {})",
            fans.fan_out, fans.fan_in
        ),
        with(fans.fan_out, fans.fan_in),
    )];
    let mut slip = |kind, applies: bool, words: String, fan_in: f64, fan_out: f64| {
        if applies {
            all.push((kind, words, with(fan_in, fan_out)));
        }
    };
    slip(
        "rows",
        layout.axes.contains(&Axis::Lookup),
        format!("the {rows} rows of the table count as fan_in, where an id picks one"),
        rows,
        fans.fan_out,
    );
    slip(
        "groups",
        groups > 1.0,
        format!("its {groups} groups are ignored"),
        fans.fan_in * groups,
        fans.fan_out * groups,
    );
    slip(
        "field ignored",
        field > 1.0,
        format!("the {field} positions of its kernel are ignored"),
        fans.fan_in / field,
        fans.fan_out / field,
    );
    slip(
        "field alone",
        field > 1.0,
        format!("only the {field} positions of its kernel are counted"),
        field,
        field,
    );
    slip(
        "stride",
        layout.transposed && stride > 1.0,
        format!("the stride ({stride} positions) is ignored"),
        fans.fan_in * stride,
        fans.fan_out,
    );
    let parts = layout.fused.len() as f64;
    slip(
        "fused",
        parts > 1.0,
        format!("its {parts} fused matrices count as one"),
        fans.fan_in,
        fans.fan_out * parts,
    );
    all
}
