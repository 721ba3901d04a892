//! Elementary functions made of + − × ÷ √ and integer operations only.
//!
//! The functions of the standard library and of libm differ between platforms in the last bits; everything that
//! decides a bit of a weight uses these instead.

pub(crate) mod double;
pub(crate) mod gauss;
pub(crate) mod quadrature;
pub(crate) mod single;
pub(crate) mod tables;

/// Horner's scheme, ascending coefficients: each step one multiplication and one addition.
macro_rules! polynomial {
    ($coefficients:expr, $x:expr) => {{
        let (coefficients, x) = (&$coefficients, $x);
        let mut sum = coefficients[coefficients.len() - 1];
        for c in coefficients[..coefficients.len() - 1].iter().rev() {
            sum = sum * x + c;
        }
        sum
    }};
}
pub(crate) use polynomial;
