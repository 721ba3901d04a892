//! The contract of bits: pinned hashes, and the same bits for any slice on any number of threads.
//!
//! A pinned hash never changes. If a test here fails, the change that made it fail is wrong.

#![allow(clippy::unwrap_used, reason = "helpers of tests count as tests")]

mod cases;

use cases::{CASES, NAME, SEED, hashes, stacked, whole};
use fanin::initializers::{Normal, Orthogonal};
use fanin::isa::Isa;
use fanin::{F8E4M3, F8E5M2, Initializer, Layout, Stream};
use half::{bf16, f16};
use proptest::prelude::*;

#[test]
fn pinned_hashes_on_any_number_of_threads_with_any_instructions() {
    assert_eq!(Stream::NAME, "philox4x32-10/v1");
    let mut wrong = String::new();
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        for isa in Isa::available() {
            // No other test of this program chooses.
            isa.choose().unwrap();
            for (text, shape, layout, expected) in CASES {
                let got = pool.install(|| hashes(text, shape, &layout()));
                if got != *expected {
                    wrong += &format!("{threads} threads, {isa}, {text}: {got:#018x?}\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A few values in clear, for whoever ports the contract.
#[test]
fn first_values() {
    let stream = Stream::new(SEED, NAME);
    assert_eq!(
        stream.block(0),
        [1193254866, 3926267974, 4130946148, 2572866073]
    );
    let first = |text: &str| {
        let values = whole::<f32>(text, &[64], &Layout::vector());
        [values[0], values[16], values[32], values[48]]
    };
    assert_eq!(
        first("uniform(-1, 1)"),
        [0.5556526, -0.171689, -0.0763783, -0.8019159]
    );
    assert_eq!(
        first("normal(0, 1)"),
        [1.3732532, -0.822006, -0.22674811, -0.16266602]
    );
    assert_eq!(
        first("truncated_normal(0, 1)"),
        [-0.5594267, 1.2552794, 1.5615106, 0.23922805]
    );
}

#[test]
fn narrow_formats_are_the_rounded_f32() {
    for (text, shape, layout, _) in CASES {
        let single = whole::<f32>(text, shape, &layout());
        let half = whole::<f16>(text, shape, &layout());
        let brain = whole::<bf16>(text, shape, &layout());
        let e4m3 = whole::<F8E4M3>(text, shape, &layout());
        let e5m2 = whole::<F8E5M2>(text, shape, &layout());
        assert!(
            single
                .iter()
                .zip(&half)
                .all(|(x, h)| f16::from_f32(*x).to_bits() == h.to_bits()),
            "{text}"
        );
        assert!(
            single
                .iter()
                .zip(&brain)
                .all(|(x, b)| bf16::from_f32(*x).to_bits() == b.to_bits()),
            "{text}"
        );
        assert!(
            single
                .iter()
                .zip(e4m3.iter().zip(&e5m2))
                .all(|(x, (a, b))| F8E4M3::from_f32(*x).to_bits() == a.to_bits()
                    && F8E5M2::from_f32(*x).to_bits() == b.to_bits()),
            "{text}"
        );
    }
}

/// Beyond rounding (three units of 2⁻²⁴), the f64 value differs by at most one step of the 32-bit word.
#[test]
fn f64_agrees_with_f32() {
    for (text, shape, layout, _) in CASES {
        let single = whole::<f32>(text, shape, &layout());
        let double = whole::<f64>(text, shape, &layout());
        let scale = double.iter().fold(0f64, |m, x| m.max(x.abs()));
        let tolerance = if text.starts_with("orthogonal") {
            4e-6
        } else {
            3e-7
        };
        for (s, d) in single.iter().zip(&double) {
            assert!(
                (f64::from(*s) - d).abs() <= tolerance * scale.max(d.abs()),
                "{text}: {s} {d}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_slice_is_the_part_of_the_whole(case in 0..CASES.len(), from in 0f64..1.0, part in 0f64..1.0) {
        let (text, shape, layout, _) = CASES[case];
        let whole = whole::<f32>(text, shape, &layout());
        let start = (from * whole.len() as f64) as usize;
        // Short slices more often than long ones, and some of two elements.
        let length = 2 + (part.powi(3) * (whole.len() - start) as f64) as usize;
        let end = (start + length).min(whole.len());
        let filler = text.parse::<Initializer>().unwrap().resolve(shape, &layout()).unwrap();
        let mut slice = vec![f32::NAN; end - start];
        filler.fill(&Stream::new(SEED, NAME), start as u64, &mut slice).unwrap();
        for (i, (a, b)) in slice.iter().zip(&whole[start..end]).enumerate() {
            prop_assert_eq!(a.to_bits(), b.to_bits(), "{} element {}", text, start + i);
        }
    }

    #[test]
    fn far_elements_are_reached_at_once(start in 0u64..1 << 62) {
        let shape = [1usize << 31, 1 << 31, 2];
        let filler = Initializer::from(Normal { mean: 0.0, std: 1.0 }).resolve(&shape, &stacked()).unwrap();
        let stream = Stream::new(SEED, NAME);
        let mut ten = [0f32; 10];
        filler.fill(&stream, start, &mut ten).unwrap();
        let mut one = [0f32];
        filler.fill(&stream, start + 7, &mut one).unwrap();
        prop_assert_eq!(ten[7].to_bits(), one[0].to_bits());
    }
}

/// A fill that is called from within rayon's threads, many at once on one filler, ends and is right.
#[test]
fn concurrent_slices_of_one_orthogonal_matrix() {
    use rayon::prelude::*;
    let shape = [256, 256];
    let layout = Layout::linear_out_in();
    let whole = whole::<f32>("orthogonal", &shape, &layout);
    let filler = Initializer::from(Orthogonal { gain: 1.0 })
        .resolve(&shape, &layout)
        .unwrap();
    let mut parts = vec![0f32; whole.len()];
    parts
        .par_chunks_mut(1000)
        .enumerate()
        .for_each(|(i, part)| {
            filler
                .fill(&Stream::new(SEED, NAME), i as u64 * 1000, part)
                .unwrap();
        });
    assert_eq!(parts, whole);
}
