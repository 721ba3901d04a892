//! How the words of a stream lie in tiles.

/// Elements per tile.
pub(crate) const TILE: usize = 64;
/// Blocks per tile, which is also the number of elements between the words of one block.
pub(crate) const LANES: usize = 16;

/// One tile of words, `[j][lane]`; element r of the tile is word `[r / 16][r % 16]`.
pub(crate) type Words = [[u32; LANES]; 4];
