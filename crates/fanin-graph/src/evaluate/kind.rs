//! The four kinds of elements that a host tensor holds, and narrowing to the declared type.

use std::cmp::Ordering;

use crate::{ElementType, HostData};

/// Runs the same expression on whichever vector it is, giving a vector of the same kind.
macro_rules! same_kind {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::HostData::F32($v) => $crate::HostData::F32($body),
            $crate::HostData::F64($v) => $crate::HostData::F64($body),
            $crate::HostData::I64($v) => $crate::HostData::I64($body),
            $crate::HostData::Bool($v) => $crate::HostData::Bool($body),
        }
    };
}
pub(crate) use same_kind;

/// Runs the same expression on whichever vector it is.
macro_rules! any_kind {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::HostData::F32($v) => $body,
            $crate::HostData::F64($v) => $body,
            $crate::HostData::I64($v) => $body,
            $crate::HostData::Bool($v) => $body,
        }
    };
}
pub(crate) use any_kind;

/// Runs the same expression on two vectors of one kind, giving a vector of that kind, or `None`.
macro_rules! same_kinds {
    ($a:expr, $b:expr, $x:ident, $y:ident => $body:expr) => {
        match ($a, $b) {
            ($crate::HostData::F32($x), $crate::HostData::F32($y)) => {
                Some($crate::HostData::F32($body))
            }
            ($crate::HostData::F64($x), $crate::HostData::F64($y)) => {
                Some($crate::HostData::F64($body))
            }
            ($crate::HostData::I64($x), $crate::HostData::I64($y)) => {
                Some($crate::HostData::I64($body))
            }
            ($crate::HostData::Bool($x), $crate::HostData::Bool($y)) => {
                Some($crate::HostData::Bool($body))
            }
            _ => None,
        }
    };
}
pub(crate) use same_kinds;

/// What all kinds can do.
pub(crate) trait Kind: Copy + Default + 'static {
    fn add(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// A total order: NaN comes after everything and equals itself.
    fn order(self, other: Self) -> Ordering;
    fn is_zero(self) -> bool;

    /// The smaller; NaN if one is NaN.
    fn least(self, other: Self) -> Self;
    /// The larger; NaN if one is NaN.
    fn most(self, other: Self) -> Self;
}

macro_rules! float_kind {
    ($t:ty) => {
        impl Kind for $t {
            fn add(self, other: Self) -> Self {
                self + other
            }
            fn mul(self, other: Self) -> Self {
                self * other
            }
            fn order(self, other: Self) -> Ordering {
                self.partial_cmp(&other)
                    .unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
            }
            fn is_zero(self) -> bool {
                self == 0.0
            }
            fn least(self, other: Self) -> Self {
                if self.is_nan() || self < other {
                    self
                } else {
                    other
                }
            }
            fn most(self, other: Self) -> Self {
                if self.is_nan() || self > other {
                    self
                } else {
                    other
                }
            }
        }
    };
}
float_kind!(f32);
float_kind!(f64);

impl Kind for i64 {
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    fn order(self, other: Self) -> Ordering {
        self.cmp(&other)
    }
    fn is_zero(self) -> bool {
        self == 0
    }
    fn least(self, other: Self) -> Self {
        self.min(other)
    }
    fn most(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Kind for bool {
    fn add(self, other: Self) -> Self {
        self | other
    }
    fn mul(self, other: Self) -> Self {
        self & other
    }
    fn order(self, other: Self) -> Ordering {
        self.cmp(&other)
    }
    fn is_zero(self) -> bool {
        !self
    }
    fn least(self, other: Self) -> Self {
        self & other
    }
    fn most(self, other: Self) -> Self {
        self | other
    }
}

/// An integer cut to the width of its declared type, as two's complement does.
pub(crate) fn wrap(x: i64, element: ElementType) -> i64 {
    match element {
        ElementType::I8 => i64::from(x as i8),
        ElementType::I16 => i64::from(x as i16),
        ElementType::I32 => i64::from(x as i32),
        ElementType::U8 => i64::from(x as u8),
        ElementType::U16 => i64::from(x as u16),
        ElementType::U32 => i64::from(x as u32),
        _ => x,
    }
}

/// Data as the declared type can hold it: narrow integers wrapped, half floats rounded to nearest
/// even.
pub(crate) fn settle(element: ElementType, mut data: HostData) -> HostData {
    match (element, &mut data) {
        (ElementType::F16, HostData::F32(v)) => {
            for x in v {
                *x = half::f16::from_f32(*x).to_f32();
            }
        }
        (ElementType::Bf16, HostData::F32(v)) => {
            for x in v {
                *x = half::bf16::from_f32(*x).to_f32();
            }
        }
        (element, HostData::I64(v)) if element != ElementType::I64 => {
            for x in v {
                *x = wrap(*x, element);
            }
        }
        _ => {}
    }
    data
}
