//! What a run starts from.

use fanin::Seed;
use fanin_data::Data;

/// What the network is fed, and how far it runs.
#[derive(Clone, Copy)]
pub(crate) struct Feed<'a> {
    pub(crate) seed: Seed,
    pub(crate) data: Option<&'a Data>,
    pub(crate) backward: bool,
}
