//! Philox4x32-10, the counter-based generator of Salmon et al. 2011.
//!
//! John K. Salmon, Mark A. Moraes, Ron O. Dror and David E. Shaw, *Parallel Random Numbers: As Easy as 1, 2, 3*,
//! SC '11. Ten rounds of two 32 × 32 → 64 bit multiplications turn (key, counter) into four words.

pub(crate) const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// The keys of the rounds.
pub(crate) type Keys = [[u32; 2]; ROUNDS];

/// A Weyl sequence from the key on.
#[inline(always)]
pub(crate) fn schedule(key: [u32; 2]) -> Keys {
    let mut keys = [key; ROUNDS];
    for i in 1..ROUNDS {
        keys[i] = [0, 1].map(|k| keys[i - 1][k].wrapping_add(WEYL[k]));
    }
    keys
}

/// The four words of one counter.
pub(crate) fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let upper = [counter[2], counter[3]];
    philox_lanes(&schedule(key), [counter[0]], [counter[1]], upper).map(|[word]| word)
}

/// As [`philox`] for `N` counters that share their upper half, one per lane: result `[j][lane]` is word j.
#[inline(always)]
pub(crate) fn philox_lanes<const N: usize>(
    keys: &Keys,
    low: [u32; N],
    high: [u32; N],
    upper: [u32; 2],
) -> [[u32; N]; 4] {
    let mut x = [low, high, [upper[0]; N], [upper[1]; N]];
    for key in keys {
        for lane in 0..N {
            let a = u64::from(MULTIPLIERS[0]) * u64::from(x[0][lane]);
            let b = u64::from(MULTIPLIERS[1]) * u64::from(x[2][lane]);
            x[0][lane] = (b >> 32) as u32 ^ x[1][lane] ^ key[0];
            x[1][lane] = b as u32;
            x[2][lane] = (a >> 32) as u32 ^ x[3][lane] ^ key[1];
            x[3][lane] = a as u32;
        }
    }
    x
}

/// What the first two rounds have in common for counters that differ in the lowest word alone.
///
/// Of the four multiplications of these rounds two do not see that word, and a third is by a constant of what is counted
/// up, so it can be added to.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared {
    /// The first multiplier times the lowest word of the first counter; the product of a later one is larger by the
    /// multiplier times the distance.
    pub(crate) product: u64,
    /// To be added modulo 2 to the upper half of that product: word 2 after the first round. Its lower half is word 3.
    pub(crate) first: u32,
    /// To be added modulo 2 to the upper half of the second multiplier times word 2: word 0 after the second round. The
    /// lower half is word 1.
    pub(crate) second: u32,
    /// To be added modulo 2 to word 3 of the first round: word 2 after the second.
    pub(crate) third: u32,
    /// Word 3 after the second round.
    pub(crate) last: u32,
}

#[cfg(target_arch = "x86_64")]
impl Shared {
    #[inline(always)]
    pub(crate) fn new(keys: &Keys, counter: [u32; 4]) -> Self {
        let times = |multiplier: u32, word: u32| {
            let product = u64::from(multiplier) * u64::from(word);
            (product, (product >> 32) as u32, product as u32)
        };
        let (product, ..) = times(MULTIPLIERS[0], counter[0]);
        let (_, high, low) = times(MULTIPLIERS[1], counter[2]);
        let (_, next, last) = times(MULTIPLIERS[0], high ^ counter[1] ^ keys[0][0]);
        Self {
            product,
            first: counter[3] ^ keys[0][1],
            second: low ^ keys[1][0],
            third: next ^ keys[1][1],
            last,
        }
    }
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
            let all = philox_lanes(&schedule(key), low, high, upper);
            for lane in 0..16 {
                let one = philox(key, [low[lane], high[lane], upper[0], upper[1]]);
                prop_assert_eq!(all.map(|word| word[lane]), one);
            }
        }
    }
}
