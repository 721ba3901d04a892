//! The contract of bits: pinned hashes, and the same bits for any slice on any number of threads.
//!
//! A pinned hash never changes. If a test here fails, the change that made it fail is wrong.

#![allow(clippy::unwrap_used, reason = "helpers of tests count as tests")]

use fanin::isa::Isa;
use fanin::{DType, Element, F8E4M3, F8E5M2, Initializer, Layout, Seed, Stream};
use half::{bf16, f16};
use proptest::prelude::*;

/// FNV-1a over the little-endian bits of the values.
fn hash<T: Element>(values: &[T]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for value in values {
        for byte in bits(*value)
            .to_le_bytes()
            .into_iter()
            .take(T::DTYPE.size_of())
        {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

fn bits<T: Element>(value: T) -> u64 {
    let value = value.to_f64();
    match T::DTYPE {
        DType::F64 => value.to_bits(),
        DType::F32 => (value as f32).to_bits().into(),
        DType::F16 => f16::from_f64(value).to_bits().into(),
        DType::BF16 => bf16::from_f64(value).to_bits().into(),
        DType::F8E4M3 => F8E4M3::from_f32(value as f32).to_bits().into(),
        DType::F8E5M2 => F8E5M2::from_f32(value as f32).to_bits().into(),
    }
}

/// An initializer, a shape with its layout, and the hashes for f64, f32, f16, bf16, f8e4m3, f8e5m2.
type Case = (&'static str, &'static [usize], fn() -> Layout, [u64; 6]);

const SEED: Seed = Seed::new(0x0123_4567_89ab_cdef);
const NAME: &str = "encoder.layers.3.weight";

fn conv() -> Layout {
    Layout::conv(2, 2)
}

fn fused() -> Layout {
    Layout::linear_in_out().fused(&[192, 64, 64])
}

fn stacked() -> Layout {
    Layout::linear_out_in().stack(1)
}

const CASES: &[Case] = &[
    (
        "uniform(low=-0.1, high=0.3)",
        &[100_003],
        Layout::vector,
        [
            0xc170_8b2a_a3d0_bab9,
            0xd983_1919_0fb3_68d9,
            0xaf74_e34e_cecb_8cbc,
            0x8e5b_31e5_4fdb_1bb0,
            0x049c_95cd_334c_aef4,
            0x8fd6_5581_f611_fb31,
        ],
    ),
    (
        "normal(mean=0, std=1)",
        &[100_003],
        Layout::vector,
        [
            0xc63c_10ee_b5e4_8a78,
            0xb44e_c94e_3a94_fff1,
            0x9ee0_e6a8_6216_c8ac,
            0x9975_6f31_997a_7ca9,
            0xbe46_e321_1fe0_6161,
            0xc909_fb2a_484e_0c58,
        ],
    ),
    (
        "normal(mean=0.5, std=0.02)",
        &[1003],
        Layout::vector,
        [
            0xf2bb_a7a3_cf3c_f456,
            0x0230_4de4_3bb2_0c2d,
            0x2bcb_604d_36a0_3be8,
            0xfe9b_6909_98e9_2db7,
            0x1792_49f2_dc83_072d,
            0x35d0_847c_0eb2_987e,
        ],
    ),
    (
        "truncated_normal(mean=0, std=0.02, low=-2, high=2)",
        &[100_003],
        Layout::vector,
        [
            0xc06a_0294_b5ed_2fb4,
            0x5090_021a_999e_b414,
            0xd4bf_e580_f3f1_4c2f,
            0x9e23_c39e_3f00_eb7b,
            0x2d57_72f9_98c4_a3ca,
            0x7b51_287e_9a67_bb4c,
        ],
    ),
    (
        "truncated_normal(mean=1, std=0.5, low=-3, high=4, corrected=true)",
        &[100_003],
        Layout::vector,
        [
            0xb6e8_104b_7ac3_ac6f,
            0x9cf1_c5e9_e064_593b,
            0x4fc5_8957_50de_962d,
            0x009d_2472_e3db_9afc,
            0xcb83_2fd9_7e18_d50e,
            0xc43c_5486_b28f_9371,
        ],
    ),
    (
        "truncated_normal(mean=0, std=1, low=3, high=5)",
        &[10_007],
        Layout::vector,
        [
            0x8e8a_8bdf_3372_a0f1,
            0x0793_8c5e_c83c_c4b4,
            0xbb7b_f4a9_a110_e8b3,
            0x7fca_bfe0_7075_c7e0,
            0x1dde_7f3c_fe21_d3af,
            0xbd47_5f03_e89c_18a3,
        ],
    ),
    (
        "truncated_normal(mean=0, std=1, low=-12, high=-8)",
        &[10_007],
        Layout::vector,
        [
            0xe541_91ca_95f7_11dd,
            0x62a5_b693_a009_e94f,
            0x0574_a406_bddf_0d88,
            0xaf13_d764_64e4_014e,
            0x2b7d_d387_9e94_0315,
            0x6d54_b61e_e7a9_31f2,
        ],
    ),
    (
        "xavier_uniform",
        &[96, 320],
        fused,
        [
            0x9ab7_8bac_ab55_cba2,
            0x1861_2f47_6a2b_b316,
            0x13ae_5b90_1394_7340,
            0x41b8_5f82_55b1_6a4c,
            0x29f1_183b_297e_4e19,
            0x13db_316f_c416_27cf,
        ],
    ),
    (
        "xavier_normal(gain=1.5)",
        &[96, 320],
        fused,
        [
            0xe7c9_d718_763f_f096,
            0x0b7d_b112_8d23_4c54,
            0xadd6_e097_6c11_21bd,
            0x9deb_9698_6187_7d39,
            0x98fd_6cfe_cdf3_ffb6,
            0x21be_098e_82bf_38d0,
        ],
    ),
    (
        "kaiming_normal(mode=fan_in, gain=1.4142135623730951)",
        &[64, 16, 3, 3],
        conv,
        [
            0xdfb5_9f96_8d14_76d9,
            0x1331_d25e_2174_b186,
            0xe529_c643_b5ae_4683,
            0x2ba1_6943_2b59_99c4,
            0xc3e6_39c3_0b27_8c2e,
            0xa58a_35c6_92f9_d121,
        ],
    ),
    (
        "kaiming_truncated(mode=fan_out, gain=1)",
        &[64, 16, 3, 3],
        conv,
        [
            0xc7e1_c247_aa9e_be52,
            0xb2a7_8745_4e9b_50b0,
            0x7a1b_fdd9_c51c_a77d,
            0x2a61_a44e_e386_0d48,
            0xa3bc_3939_3e53_74f7,
            0xfa56_b067_27a0_8d18,
        ],
    ),
    (
        "lecun_uniform",
        &[3, 40, 50],
        stacked,
        [
            0x8df5_6200_b31b_be76,
            0x4824_be4b_dca8_8dcc,
            0xff4c_f3ca_0f1f_7306,
            0xc3ac_190a_5004_5a91,
            0x4315_5ae4_b15f_cf1a,
            0x4323_6c3b_f2d0_50d2,
        ],
    ),
    (
        "variance_scaling(scale=2, mode=fan_geo_avg, distribution=truncated_normal)",
        &[96, 320],
        fused,
        [
            0x9ba4_9ea5_0b07_f903,
            0x5be0_ef46_b74e_059d,
            0x73e9_ba71_8c89_e227,
            0x0c5f_d851_a875_222b,
            0xfddb_64e2_9a8a_211e,
            0x055a_a3e8_0781_7dda,
        ],
    ),
    (
        "orthogonal",
        &[150, 170],
        Layout::linear_out_in,
        [
            0x9641_e325_9f59_0bcc,
            0xf18c_dff8_77ca_6b91,
            0x7215_bdbe_b2b4_dfdd,
            0x384a_7223_c86c_6743,
            0xf5d5_46c8_7523_ec01,
            0x446b_50d5_bd10_48d8,
        ],
    ),
    (
        "orthogonal(gain=1.4142135623730951)",
        &[170, 70],
        Layout::linear_in_out,
        [
            0x9219_fc28_78fe_b199,
            0x5ff5_6abe_8059_0e3e,
            0xe065_c175_2015_b2b5,
            0x2200_f51e_5a9a_627e,
            0x922d_743f_77ad_27fb,
            0x3f54_ec32_385a_79e1,
        ],
    ),
    (
        "orthogonal",
        &[64, 16, 3, 3],
        conv,
        [
            0xf825_1209_e35f_1902,
            0x80bc_4230_1342_4780,
            0xdac5_227d_dda7_78e5,
            0xe323_847e_dba7_268d,
            0xe690_668e_72ae_41a1,
            0xc749_c0cb_40f0_670c,
        ],
    ),
    (
        "orthogonal",
        &[96, 320],
        fused,
        [
            0x879a_4aec_c435_69f1,
            0x7e3b_5ea1_c9d6_0b59,
            0xe9da_e4f6_3da6_5b4f,
            0xec50_0ea0_2b7e_41f8,
            0xdadf_9091_e441_d911,
            0x8399_1244_c0ff_d1e5,
        ],
    ),
    (
        "orthogonal",
        &[3, 40, 50],
        stacked,
        [
            0x6201_575a_cce2_42fb,
            0x5bb3_4aeb_31d5_9914,
            0x25bb_c69b_a734_1c9f,
            0xc2ad_d051_3068_05e3,
            0x91f3_8529_d886_f827,
            0x891d_4eb2_c300_1336,
        ],
    ),
    (
        "identity(gain=2)",
        &[64, 32, 3, 3],
        conv,
        [
            0x44a6_7466_060f_2325,
            0xdb54_04b3_dd38_a325,
            0x5a28_dbab_8ee0_6325,
            0x5a28_dbab_8ee0_6325,
            0x21fe_2494_2c79_c325,
            0x21fe_2494_2c79_c325,
        ],
    ),
    (
        "concat(axis=1, 192: orthogonal, 64: normal(mean=0, std=1), 64: ones)",
        &[96, 320],
        fused,
        [
            0x95f2_bdd3_01c1_335a,
            0x1753_0186_7e0f_21da,
            0x97dc_fd06_6138_5a66,
            0x37ee_8660_f06e_8f1f,
            0x9d4b_4a6b_309b_69ae,
            0xa16c_1a9e_8ab9_e71b,
        ],
    ),
];

fn whole<T: Element>(text: &str, shape: &[usize], layout: &Layout) -> Vec<T> {
    let initializer: Initializer = text.parse().unwrap();
    let mut out = vec![T::default(); shape.iter().product()];
    initializer
        .fill(SEED, NAME, shape, layout, &mut out)
        .unwrap();
    out
}

fn hashes(text: &str, shape: &[usize], layout: &Layout) -> [u64; 6] {
    [
        hash(&whole::<f64>(text, shape, layout)),
        hash(&whole::<f32>(text, shape, layout)),
        hash(&whole::<f16>(text, shape, layout)),
        hash(&whole::<bf16>(text, shape, layout)),
        hash(&whole::<F8E4M3>(text, shape, layout)),
        hash(&whole::<F8E5M2>(text, shape, layout)),
    ]
}

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
        let filler = Initializer::Normal { mean: 0.0, std: 1.0 }.resolve(&shape, &stacked()).unwrap();
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
    let filler = Initializer::Orthogonal { gain: 1.0 }
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
