//! Two vectors side by side.
//!
//! A processor looks ahead a few dozen operations only. Where each operation waits for the one before it, as in a
//! polynomial, two independent chains that alternate keep it busy.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Sub};

use super::Lanes;

/// Twice the lanes of an instruction set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Two<S>(pub(crate) S);

/// Two vectors of the same kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<T>(pub(crate) T, pub(crate) T);

macro_rules! operators {
    ($($trait:ident, $method:ident;)*) => {$(
        impl<T: $trait<Output = T>> $trait for Pair<T> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(self.0.$method(other.0), self.1.$method(other.1))
            }
        }
    )*};
}

operators! {
    Add, add;
    Sub, sub;
    Mul, mul;
    Div, div;
    BitAnd, bitand;
    BitOr, bitor;
    BitXor, bitxor;
}

macro_rules! both {
    ($($method:ident($($argument:ident: $type:ident),*) -> $result:ident;)*) => {$(
        #[inline(always)]
        fn $method(self, $($argument: Pair<S::$type>),*) -> Pair<S::$result> {
            Pair(self.0.$method($($argument.0),*), self.0.$method($($argument.1),*))
        }
    )*};
}

impl<S: Lanes> Lanes for Two<S> {
    type F = Pair<S::F>;
    type U = Pair<S::U>;
    type M = Pair<S::M>;

    both! {
        sqrt(x: F) -> F;
        max(a: F, b: F) -> F;
        min(a: F, b: F) -> F;
        bits(x: F) -> U;
        float_from_bits(x: U) -> F;
        float_from_signed(x: U) -> F;
        select(m: M, a: F, b: F) -> F;
        abs(x: U) -> U;
        select_words(m: M, a: U, b: U) -> U;
        is_nan(x: F) -> M;
        negative(x: U) -> M;
        equal(a: U, b: U) -> M;
        greater(a: U, b: U) -> M;
    }

    #[inline(always)]
    fn float(self, x: f32) -> Self::F {
        Pair(self.0.float(x), self.0.float(x))
    }

    #[inline(always)]
    fn word(self, x: u32) -> Self::U {
        Pair(self.0.word(x), self.0.word(x))
    }

    #[inline(always)]
    fn shift_left(self, x: Self::U, by: u32) -> Self::U {
        Pair(self.0.shift_left(x.0, by), self.0.shift_left(x.1, by))
    }

    #[inline(always)]
    fn shift_right(self, x: Self::U, by: u32) -> Self::U {
        Pair(self.0.shift_right(x.0, by), self.0.shift_right(x.1, by))
    }

    #[inline(always)]
    fn multiply_add_wide(self, w: Self::U, step: u32, start: u64) -> (Self::U, Self::U) {
        let (high, low) = self.0.multiply_add_wide(w.0, step, start);
        let (high_of_second, low_of_second) = self.0.multiply_add_wide(w.1, step, start);
        (Pair(high, high_of_second), Pair(low, low_of_second))
    }

    #[inline(always)]
    fn any(self, m: Self::M) -> bool {
        self.0.any(m.0) || self.0.any(m.1)
    }
}
