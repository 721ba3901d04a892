//! Philox4x32-10, the counter-based generator of Salmon et al. 2011.
//!
//! John K. Salmon, Mark A. Moraes, Ron O. Dror and David E. Shaw, *Parallel Random Numbers: As Easy as 1, 2, 3*,
//! SC '11. Ten rounds of two 32 × 32 → 64 bit multiplications turn (key, counter) into four words.

pub(crate) const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
pub(crate) const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
pub(crate) const ROUNDS: usize = 10;

/// The four words of one counter.
pub(crate) fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    philox_lanes(key, [counter[0]], [counter[1]], [counter[2], counter[3]]).map(|[word]| word)
}

/// As [`philox`] for `N` counters that share their upper half, one per lane: result `[j][lane]` is word j.
#[inline(always)]
pub(crate) fn philox_lanes<const N: usize>(
    mut key: [u32; 2],
    low: [u32; N],
    high: [u32; N],
    upper: [u32; 2],
) -> [[u32; N]; 4] {
    let mut x = [low, high, [upper[0]; N], [upper[1]; N]];
    for _ in 0..ROUNDS {
        for lane in 0..N {
            let a = u64::from(MULTIPLIERS[0]) * u64::from(x[0][lane]);
            let b = u64::from(MULTIPLIERS[1]) * u64::from(x[2][lane]);
            x[0][lane] = (b >> 32) as u32 ^ x[1][lane] ^ key[0];
            x[1][lane] = b as u32;
            x[2][lane] = (a >> 32) as u32 ^ x[3][lane] ^ key[1];
            x[3][lane] = a as u32;
        }
        key[0] = key[0].wrapping_add(WEYL[0]);
        key[1] = key[1].wrapping_add(WEYL[1]);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // From `kat_vectors` of Random123 1.14.
    #[test]
    fn published_known_answers() {
        let ones = u32::MAX;
        assert_eq!(
            philox([0; 2], [0; 4]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([ones; 2], [ones; 4]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0xa409_3822, 0x299f_31d0],
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    proptest! {
        #[test]
        fn lanes_do_not_matter(key: [u32; 2], low: [u32; 16], high: [u32; 16], upper: [u32; 2]) {
            let all = philox_lanes(key, low, high, upper);
            for lane in 0..16 {
                let one = philox(key, [low[lane], high[lane], upper[0], upper[1]]);
                prop_assert_eq!(all.map(|word| word[lane]), one);
            }
        }
    }
}
