//! What everyone else asks of an operator, as data.

use fanin::Axis;

/// What kind of thing an operator does with its signal. Each operator is in exactly one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A contraction in which a weight can stand: matrix products, `Einsum`, convolutions.
    Linear,
    /// Divides by a statistic of the signal.
    Norm,
    /// A nonlinear function of each element that networks use between layers.
    Activation,
    /// Any other function of each element: `Exp`, `Sqrt`, `Neg`, `Floor`.
    Elementwise,
    /// Every element of the input comes out once, in another place, shape or element type; dropout,
    /// which is the identity in the mean, counts here.
    Arranges,
    /// Elements come out several times: `Expand`, `Tile`.
    Repeats,
    /// Some elements of the first input come out: `Slice`, `Split`, `Gather`, `TopK`. `Trilu`, which
    /// sets the others to zero, counts here.
    Picks,
    /// Elements come out with a border of others around them: `Pad`, `CenterCropPad`.
    Pads,
    /// Weighted means of neighbours at other places: `Resize`, `GridSample`, `RoiAlign`, `MaxUnpool`.
    Resamples,
    /// Adds signals, perhaps with a sign: `Add`, `Sub`, `Sum`, `Mean`.
    Sums,
    /// Multiplies or divides signals: `Mul`, `Div`, `Pow`, `Mod`.
    Multiplies,
    /// Takes each element from one of several signals: `Where`, `Max`, `Min`.
    Chooses,
    /// Puts signals beside one another: `Concat`, scatters, sequences made of tensors.
    Joins,
    /// One number for a window of places: pools.
    Pools,
    /// One number for whole axes, or for what came before along one: `ReduceSum`, `CumSum`.
    Reduces,
    /// Softmax and its kin: positive, and summing to one.
    Softmax,
    /// A layer that steps through time.
    Recurrent,
    /// Attention in one operator.
    Attention,
    /// Pairs of features turned by an angle: rotary embedding.
    Rotates,
    /// Rounds to a grid, or reads from one.
    Quantizes,
    /// A loss.
    Loss,
    /// Looks at a signal without passing its elements on: `Shape`, comparisons, `ArgMax`.
    Looks,
    /// Makes elements of sizes, scalars and random numbers.
    Generates,
    /// An operator that nothing is known of, or one of its own kind (`Det`).
    Other,
}

impl Class {
    /// Whether what comes out is made of the very elements that go into the first input, in another
    /// shape, order or number.
    ///
    /// This decides between today's lists: `Gather` with a table as data and resizing count,
    /// since the elements are the table's and the image's.
    pub fn moves(self) -> bool {
        matches!(
            self,
            Self::Arranges | Self::Repeats | Self::Picks | Self::Pads | Self::Resamples
        )
    }

    /// Whether several signals meet element by element.
    pub fn combines(self) -> bool {
        matches!(
            self,
            Self::Sums | Self::Multiplies | Self::Chooses | Self::Joins
        )
    }

    /// Whether it takes one number for many.
    pub fn averages(self) -> bool {
        matches!(self, Self::Pools | Self::Reduces)
    }

    /// The word that tables print.
    pub fn word(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Norm => "norm",
            Self::Activation => "activation",
            Self::Elementwise => "elementwise",
            Self::Arranges => "arranges",
            Self::Repeats => "repeats",
            Self::Picks => "picks",
            Self::Pads => "pads",
            Self::Resamples => "resamples",
            Self::Sums => "sums",
            Self::Multiplies => "multiplies",
            Self::Chooses => "chooses",
            Self::Joins => "joins",
            Self::Pools => "pools",
            Self::Reduces => "reduces",
            Self::Softmax => "softmax",
            Self::Recurrent => "recurrent",
            Self::Attention => "attention",
            Self::Rotates => "rotates",
            Self::Quantizes => "quantizes",
            Self::Loss => "loss",
            Self::Looks => "looks",
            Self::Generates => "generates",
            Self::Other => "other",
        }
    }
}

/// A set of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slots {
    /// These inputs, in order.
    These(&'static [usize]),
    /// All inputs.
    All,
}

impl Slots {
    /// No input.
    pub const NONE: Self = Self::These(&[]);
    /// The first input alone.
    pub const FIRST: Self = Self::These(&[0]);
    /// The first two.
    pub const BOTH: Self = Self::These(&[0, 1]);

    /// Whether an input is in the set.
    pub fn contains(self, slot: usize) -> bool {
        match self {
            Self::These(slots) => slots.contains(&slot),
            Self::All => true,
        }
    }

    /// The inputs of the set among `count`.
    pub fn of(self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).filter(move |&slot| self.contains(slot))
    }
}

/// What an input that can hold a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// A weight that the signal is contracted with.
    Weight,
    /// A weight from a recurrent layer's input into its gates.
    InputWeight,
    /// A weight from a recurrent layer's state into its gates.
    StateWeight,
    /// Added to the output, one number per unit.
    Bias,
    /// Added to the gates of a recurrent layer: `[directions, 2 * gates * hidden]`.
    GateBias,
    /// Weights from the cell into the gates of an LSTM.
    Peephole,
    /// Multiplies a normalized value.
    Scale,
    /// Added to a normalized value.
    Shift,
    /// Mean of the training batches.
    RunningMean,
    /// Variance of the training batches.
    RunningVariance,
    /// Slope of an activation.
    Slope,
    /// A table whose rows are picked by ids.
    Table,
    /// Where a recurrent layer starts.
    InitialState,
}

impl Holds {
    /// The words that tables print.
    pub fn words(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::InputWeight => "input weight",
            Self::StateWeight => "state weight",
            Self::Bias => "bias",
            Self::GateBias => "gate bias",
            Self::Peephole => "peephole",
            Self::Scale => "scale",
            Self::Shift => "shift",
            Self::RunningMean => "running mean",
            Self::RunningVariance => "running variance",
            Self::Slope => "slope",
            Self::Table => "table",
            Self::InitialState => "initial state",
        }
    }
}

/// What the axes of a weight mean at the place where it enters an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightAxes {
    /// `[.., input, output]`, or `[.., output, input]`; leading axes hold one matrix each; one axis
    /// alone is the input.
    Matrix {
        /// Whether the output axis comes first.
        output_first: bool,
    },
    /// `[output, input / groups, field..]`, or `[input, output / groups, field..]` where transposed.
    Kernel {
        /// Number of groups.
        groups: usize,
        /// Whether it is a transposed convolution's.
        transposed: bool,
        /// Steps of the window; empty where all are 1.
        strides: Vec<usize>,
    },
    /// One meaning per axis, as an equation gives them.
    Named(Vec<Axis>),
    /// `[directions, gates * hidden, input or hidden]`.
    Gates {
        /// Number of gates.
        gates: usize,
    },
    /// One number per unit.
    PerUnit,
    /// Broadcast to the operator's output as numpy does.
    Broadcast,
    /// Rows along this axis are picked by ids; the others are the row.
    Lookup {
        /// The axis that is picked along, negative counted from the end.
        axis: i64,
    },
}

impl WeightAxes {
    /// The meaning of each axis of a weight of this rank; `None` where the rank does not fit.
    pub fn meaning(&self, rank: usize) -> Option<Vec<Axis>> {
        Some(match self {
            Self::Matrix { output_first } => match rank {
                0 => Vec::new(),
                1 => vec![Axis::Input],
                n => {
                    let mut axes = vec![Axis::Stack; n - 2];
                    axes.extend(if *output_first {
                        [Axis::Output, Axis::Input]
                    } else {
                        [Axis::Input, Axis::Output]
                    });
                    axes
                }
            },
            Self::Kernel { transposed, .. } => {
                let mut axes = if *transposed {
                    vec![Axis::Input, Axis::Output]
                } else {
                    vec![Axis::Output, Axis::Input]
                };
                if rank < axes.len() {
                    return None;
                }
                axes.resize(rank, Axis::Field);
                axes
            }
            Self::Named(axes) => (axes.len() == rank).then(|| axes.clone())?,
            Self::Gates { .. } => match rank {
                3 => vec![Axis::Stack, Axis::Output, Axis::Input],
                2 => vec![Axis::Stack, Axis::Output],
                _ => return None,
            },
            Self::PerUnit | Self::Broadcast => vec![Axis::Output; rank],
            Self::Lookup { axis } => {
                let mut axes = vec![Axis::Output; rank];
                let at = if *axis < 0 {
                    axis.checked_add(i64::try_from(rank).ok()?)?
                } else {
                    *axis
                };
                *axes.get_mut(usize::try_from(at).ok()?)? = Axis::Lookup;
                axes
            }
        })
    }
}

/// Which axis of an output counts units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitAxis {
    /// Axis 1: channels.
    Channel,
    /// The last axis.
    Last,
    /// The one before the last: a weight on the left of a product.
    BeforeLast,
    /// The axis that counts the units of the first signal, at the same place.
    Kept,
    /// Not to be told from the operator alone.
    Unknown,
}

/// An input that can hold a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightSlot {
    /// Which input.
    pub slot: usize,
    /// What it is.
    pub holds: Holds,
    /// What its axes mean there.
    pub axes: WeightAxes,
    /// The axis of the output that counts its units.
    pub units: UnitAxis,
}

/// Whether a function of one signal is odd or even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parity {
    /// f(-x) = -f(x).
    Odd,
    /// f(-x) = f(x).
    Even,
    /// Neither, or a function of several signals.
    Neither,
}

/// Where a function of each element is flat, judged by what it puts out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flat {
    /// Outputs at or below this are flat.
    pub low: f32,
    /// Outputs at or above this are flat.
    pub high: f32,
}

/// What everyone else asks of an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What kind of thing it does.
    pub class: Class,
    /// The inputs whose elements go into the outputs. Indices, shapes, masks and statistics are no
    /// signal; a weight is one only where either operand can be the weight (`MatMul`).
    pub signal: Slots,
    /// The inputs that can hold a parameter.
    pub weights: Vec<WeightSlot>,
    /// The d for which f(c x) = c^d f(x) for every c > 0 and all signals x scaled together, other
    /// inputs fixed and biases and epsilons left out; `None` where there is none.
    pub degree: Option<f32>,
    /// Odd or even in all signals together, biases left out.
    pub parity: Parity,
    /// Smallest and largest output, whatever the input; infinite where there is none.
    pub range: (f64, f64),
    /// Whether whole ranges of inputs give exact zeros, so that a unit can be dead.
    pub zeros: bool,
    /// The outputs at which the function is flat: the derivative is under 5.91 % of its largest
    /// (|tanh| > 0.97, a sigmoid within 0.015 of its ends, |softsign| > 0.757), or exactly zero for
    /// those cut by straight lines. The zero end of a rectifier is not here but in `zeros`.
    pub flat: Option<Flat>,
    /// The axis of the first output that counts units.
    pub units: UnitAxis,
}

impl Facts {
    /// Facts of an operator of this class in which nothing more is known.
    pub fn new(class: Class, signal: Slots) -> Self {
        Self {
            class,
            signal,
            weights: Vec::new(),
            degree: None,
            parity: Parity::Neither,
            range: (f64::NEG_INFINITY, f64::INFINITY),
            zeros: false,
            flat: None,
            units: UnitAxis::Unknown,
        }
    }

    /// Linear in all signals together.
    pub(super) fn linear(self) -> Self {
        self.of_degree(1.0).of_parity(Parity::Odd)
    }

    pub(super) fn of_degree(mut self, degree: f32) -> Self {
        self.degree = Some(degree);
        self
    }

    pub(super) fn of_parity(mut self, parity: Parity) -> Self {
        self.parity = parity;
        self
    }

    pub(super) fn between(mut self, low: f64, high: f64) -> Self {
        self.range = (low, high);
        self
    }

    pub(super) fn flat_at(mut self, low: f32, high: f32) -> Self {
        self.flat = Some(Flat { low, high });
        self
    }

    pub(super) fn making_zeros(mut self) -> Self {
        self.zeros = true;
        self
    }

    pub(super) fn units(mut self, units: UnitAxis) -> Self {
        self.units = units;
        self
    }

    pub(super) fn weight(
        mut self,
        slot: usize,
        holds: Holds,
        axes: WeightAxes,
        units: UnitAxis,
    ) -> Self {
        self.weights.push(WeightSlot {
            slot,
            holds,
            axes,
            units,
        });
        self
    }

    /// Whether the output lies between two finite numbers.
    pub fn bounded(&self) -> bool {
        self.range.0.is_finite() && self.range.1.is_finite()
    }

    /// Whether scaling the signals by c > 0 scales the output by a power of c.
    pub fn homogeneous(&self) -> bool {
        self.degree.is_some()
    }

    /// What an input holds, if it can hold a parameter.
    pub fn at(&self, slot: usize) -> Option<&WeightSlot> {
        self.weights.iter().find(|weight| weight.slot == slot)
    }

    /// Whether an input can hold a weight that the signal is contracted with.
    pub fn contracts(&self, slot: usize) -> bool {
        self.at(slot).is_some_and(|weight| {
            matches!(
                weight.holds,
                Holds::Weight | Holds::InputWeight | Holds::StateWeight
            )
        })
    }
}
