//! Every initializer of the catalogue keeps the contract of bits: pinned hashes in `golden/catalogue.txt`, the same for
//! any number of threads, slices equal to the whole, halves the rounded f32, f64 in agreement with f32.
//!
//! A pinned hash never changes. If a test here fails, the change that made it fail is wrong. A line for a new
//! initializer is what the failing test prints for it.

#![allow(clippy::unwrap_used, reason = "helpers of tests count as tests")]

use fanin::{DType, Element, Initializer, Layout, Seed, Stream, catalogue};
use half::{bf16, f16};
use proptest::prelude::*;

const SEED: Seed = Seed::new(0x0123_4567_89ab_cdef);
const NAME: &str = "encoder.layers.3.weight";
const GOLDEN: &str = include_str!("golden/catalogue.txt");

/// An initializer, a shape and the name of its layout.
type Case = (&'static str, &'static [usize], &'static str);

const CASES: &[Case] = &[
    ("array(0, 1, 0.5, -3.25, 1e-3, 7)", &[2, 3], "linear"),
    ("log_uniform(low=0.001, high=0.1)", &[10_007], "vector"),
    (
        "truncated_normal_absolute(mean=0, std=0.5, low=-1, high=1)",
        &[10_007],
        "vector",
    ),
    (
        "truncated_normal_absolute(mean=0.3, std=0.2, low=0, high=1, corrected=true)",
        &[10_007],
        "vector",
    ),
    ("random_walk(units=relu)", &[64, 16, 3, 3], "conv"),
    ("random_walk(units=linear)", &[3, 40, 50], "stacked"),
    ("delta_orthogonal", &[64, 16, 3, 3], "conv"),
    ("delta_orthogonal", &[3, 3, 20, 30], "channels_last"),
    ("orthogonal_conv", &[24, 10, 3, 3], "conv"),
    ("orthogonal_conv(gain=2)", &[3, 2, 12, 20], "channels_last"),
    ("orthogonal_conv", &[10, 20, 4], "transposed"),
    ("identity(shift=3)", &[64, 16, 3, 3], "conv"),
    (
        "identity(gain=-1, shift=-2, offset=-1)",
        &[20, 30, 3],
        "transposed",
    ),
    ("hadamard", &[96, 320], "fused"),
    ("hadamard(gain=1.5)", &[64, 16, 3, 3], "conv"),
    ("idinit(tau=1)", &[64, 16, 3, 3], "conv"),
    ("idinit(tau=1e-6)", &[96, 320], "fused"),
    ("sparse(count=15, std=1, per=output)", &[96, 320], "fused"),
    (
        "sparse(count=15, std=0.1, per=input)",
        &[3, 40, 50],
        "stacked",
    ),
    (
        "sparse(sparsity=0.9, std=0.01, per=input)",
        &[150, 170],
        "linear",
    ),
    (
        "sparse(sparsity=0.3, std=0.01, per=output)",
        &[64, 16, 3, 3],
        "conv",
    ),
    ("mirrored(of=kaiming_normal)", &[150, 170], "linear"),
    (
        "mirrored(of=orthogonal, sides=output)",
        &[3, 40, 50],
        "stacked",
    ),
    (
        "mirrored(of=lecun_uniform, sides=input)",
        &[3, 3, 20, 30],
        "channels_last",
    ),
    ("mimetic(of='k')", &[150, 170], "linear"),
    (
        "mimetic(of='v', alpha=0.4, beta=-0.4, transposed=true)",
        &[150, 170],
        "linear",
    ),
    ("bilinear", &[10, 20, 4], "transposed"),
    ("scaled(factor=0.1, of=kaiming_normal)", &[96, 320], "fused"),
    (
        "scaled(factor=3, of=concat(axis=0, 50: orthogonal, 100: ones))",
        &[150, 170],
        "linear",
    ),
    (
        "residual(branches=24, of=truncated_normal(std=0.02))",
        &[150, 170],
        "linear",
    ),
    ("fixup(branches=54, layers=3)", &[64, 16, 3, 3], "conv"),
    ("rezero", &[7], "vector"),
    ("layer_scale(blocks=24)", &[7], "vector"),
    ("t_fixup(layers=6, side=encoder)", &[96, 320], "fused"),
    (
        "deepnorm(encoder=18, decoder=18, side=encoder)",
        &[150, 170],
        "linear",
    ),
    ("small_init(width=2048)", &[150, 170], "linear"),
    ("wang_init(layers=28, width=4096)", &[150, 170], "linear"),
    (
        "mup(role=output, std=0.02, base=256)",
        &[150, 170],
        "linear",
    ),
    ("mup(role=hidden, std=0.02, base=256)", &[96, 320], "fused"),
    ("spectral", &[96, 320], "fused"),
    ("prior_bias(probability=0.01)", &[7], "vector"),
    ("log_prior(3, 4, 5)", &[3], "vector"),
    ("forget_gate(value=1, order=iofc)", &[2, 320], "gates"),
    ("chrono(longest=784, order=ifgo)", &[2, 320], "gates"),
    ("chrono(longest=100, order=zrh)", &[300], "vector"),
    ("siren_first", &[150, 3], "linear"),
    ("siren(omega=30)", &[150, 170], "linear"),
    ("lora_a", &[8, 170], "linear"),
    ("lora_b", &[7, 8], "linear"),
    ("nguyen_widrow", &[96, 320], "fused"),
    ("nguyen_widrow(gain=2)", &[64, 16, 3, 3], "conv"),
    ("embedding(std=0.02, padding=3)", &[100, 48], "embedding"),
];

fn layout(name: &str) -> Layout {
    match name {
        "vector" => Layout::vector(),
        "linear" => Layout::linear_out_in(),
        "conv" => Layout::conv(2, 2),
        "channels_last" => Layout::conv_channels_last(2, 1),
        "transposed" => Layout::conv_transpose(1, 2, &[]),
        "fused" => Layout::linear_in_out().fused(&[192, 64, 64]),
        "stacked" => Layout::linear_out_in().stack(1),
        "gates" => Layout::vector().fused(&[40; 8]).stack(1),
        "embedding" => Layout::embedding(),
        other => panic!("no layout {other}"),
    }
}

/// FNV-1a over the little-endian bits of the values.
fn hash<T: Element>(values: &[T]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for value in values {
        let bytes = bits(*value).to_le_bytes();
        for byte in bytes.into_iter().take(T::DTYPE.size_of()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

fn bits<T: Element>(value: T) -> u64 {
    let value = value.to_f64();
    match T::DTYPE {
        DType::F64 => value.to_bits(),
        DType::F16 => f16::from_f64(value).to_bits().into(),
        DType::BF16 => bf16::from_f64(value).to_bits().into(),
        _ => (value as f32).to_bits().into(),
    }
}

fn whole<T: Element>((text, shape, name): Case) -> Vec<T> {
    let initializer: Initializer = text.parse().unwrap();
    let mut out = vec![T::default(); shape.iter().product()];
    initializer
        .fill(SEED, NAME, shape, &layout(name), &mut out)
        .unwrap_or_else(|error| panic!("{error}"));
    out
}

/// The line of the golden file for a case.
fn line(case: Case) -> String {
    let (text, shape, name) = case;
    let hashes = [
        hash(&whole::<f64>(case)),
        hash(&whole::<f32>(case)),
        hash(&whole::<f16>(case)),
        hash(&whole::<bf16>(case)),
    ];
    let hashes = hashes.map(|hash| format!("{hash:016x}")).join(" ");
    format!("{hashes} {name} {shape:?} {text}")
}

#[test]
fn pinned_hashes_on_any_number_of_threads() {
    let golden: Vec<&str> = GOLDEN
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let mut wrong = String::new();
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        for case in CASES {
            let got = pool.install(|| line(*case));
            if !golden.contains(&got.as_str()) {
                wrong += &format!("{threads} threads:\n{got}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(golden.len(), CASES.len(), "a line without a case");
}

/// Those whose hashes are pinned in `bits.rs`, and constants.
const ELSEWHERE: &[&str] = &[
    "zeros",
    "ones",
    "constant",
    "uniform",
    "normal",
    "truncated_normal",
    "variance_scaling",
    "orthogonal",
    "concat",
];

#[test]
fn every_entry_of_the_catalogue_has_a_case() {
    for entry in catalogue() {
        let begins = |text: &str| {
            text.strip_prefix(entry.name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('('))
        };
        let here = CASES.iter().any(|(text, ..)| begins(text));
        // The families share one function with variance_scaling.
        let scaled = ["xavier_", "kaiming_", "lecun_"]
            .iter()
            .any(|family| entry.name.starts_with(family));
        assert!(
            here || scaled || ELSEWHERE.contains(&entry.name),
            "{}",
            entry.name
        );
    }
}

/// The table of the crate's documentation lists every name; families stand as `kaiming_…`.
#[test]
fn the_overview_names_every_initializer() {
    let table: Vec<&str> = include_str!("../src/lib.rs")
        .lines()
        .filter(|line| line.starts_with("//! | "))
        .collect();
    let table = table.concat();
    for entry in catalogue() {
        let family = entry.name.split('_').next().unwrap_or_default();
        let named = table.contains(&format!("`{}`", entry.name));
        assert!(
            named || table.contains(&format!("`{family}_…`")),
            "{} is missing from the table in lib.rs",
            entry.name
        );
    }
}

#[test]
fn halves_are_the_rounded_f32_and_f64_agrees() {
    for case in CASES {
        let single = whole::<f32>(*case);
        let (half, brain) = (whole::<f16>(*case), whole::<bf16>(*case));
        let double = whole::<f64>(*case);
        let scale = double.iter().fold(0f64, |m, x| m.max(x.abs()));
        let tolerance = if ["orthogonal", "mimetic"].iter().any(|n| case.0.contains(n)) {
            4e-6
        } else {
            3e-7
        };
        for (i, s) in single.iter().enumerate() {
            assert_eq!(
                f16::from_f32(*s).to_bits(),
                half[i].to_bits(),
                "{case:?} {i}"
            );
            assert_eq!(
                bf16::from_f32(*s).to_bits(),
                brain[i].to_bits(),
                "{case:?} {i}"
            );
            let error = (f64::from(*s) - double[i]).abs();
            assert!(
                error <= tolerance * scale.max(double[i].abs()),
                "{case:?} {i}"
            );
        }
    }
}

/// The number that a filler promises for the spread of its values is what they have.
#[test]
fn the_expected_std_is_that_of_the_values() {
    for case in CASES {
        let (text, shape, name) = *case;
        let filler = text
            .parse::<Initializer>()
            .unwrap()
            .resolve(shape, &layout(name))
            .unwrap();
        let Some(expected) = filler.expected_std() else {
            continue;
        };
        let values = whole::<f64>(*case);
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Five standard errors of a normal sample, and what the mean of a structured one moves.
        let slack = expected * (5.0 / (2.0 * n).sqrt() + 3.0 / n);
        assert!(
            (std - expected).abs() <= slack + 1e-15,
            "{text}: {std} for {expected}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_slice_is_the_part_of_the_whole(case in 0..CASES.len(), from in 0f64..1.0, part in 0f64..1.0) {
        let (text, shape, name) = CASES[case];
        let whole = whole::<f32>(CASES[case]);
        let start = (from * whole.len() as f64) as usize;
        let length = 1 + (part.powi(3) * (whole.len() - start) as f64) as usize;
        let end = (start + length).min(whole.len());
        let filler = text.parse::<Initializer>().unwrap().resolve(shape, &layout(name)).unwrap();
        let mut slice = vec![f32::NAN; end - start];
        filler.fill(&Stream::new(SEED, NAME), start as u64, &mut slice).unwrap();
        for (i, (a, b)) in slice.iter().zip(&whole[start..end]).enumerate() {
            prop_assert_eq!(a.to_bits(), b.to_bits(), "{} element {}", text, start + i);
        }
    }
}

/// Threads that fill slices of one tensor at the same time end, and are right.
#[test]
fn concurrent_slices() {
    use rayon::prelude::*;
    for case in CASES {
        let (text, shape, name) = *case;
        let whole = whole::<f32>(*case);
        let filler = text
            .parse::<Initializer>()
            .unwrap()
            .resolve(shape, &layout(name))
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
        assert_eq!(parts, whole, "{text}");
    }
}

/// No shape makes a rule panic, and a shape with a 0 in it is empty.
#[test]
fn any_shape_is_filled_or_refused() {
    let layouts = [
        Layout::new([]),
        Layout::vector(),
        Layout::embedding(),
        Layout::linear_out_in(),
        Layout::linear_in_out(),
        Layout::linear_out_in().stack(1),
        Layout::linear_in_out().fused(&[2, 0, 4]),
        Layout::linear_out_in().fused(&[3, 3]),
        Layout::conv(1, 1),
        Layout::conv(2, 2),
        Layout::conv_channels_last(1, 3),
        Layout::conv_transpose(1, 2, &[2]),
        Layout::depthwise(1),
        Layout::depthwise_channels_last(2),
        Layout::bilinear(),
        Layout::into_heads(),
    ];
    for entry in catalogue() {
        let initializer: Initializer = entry.example.parse().unwrap();
        for layout in &layouts {
            for size in [0usize, 1, 2, 3, 4, 6] {
                for last in [0usize, 1, 2, 3, 6] {
                    let mut shape = vec![size; layout.axes.len()];
                    if let Some(n) = shape.last_mut() {
                        *n = last;
                    }
                    let mut out = vec![f32::NAN; shape.iter().product()];
                    let filled = initializer.fill(SEED, NAME, &shape, layout, &mut out);
                    match filled {
                        Ok(()) => assert!(
                            out.iter().all(|x| x.is_finite()),
                            "{initializer} {shape:?} {layout:?}"
                        ),
                        Err(error) => assert!(!error.to_string().is_empty()),
                    }
                }
            }
        }
    }
}
