//! Ctrl-C asks for what there is.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use signal_hook::consts::SIGINT;

/// The exit status of a process that Ctrl-C ends, as shells have it.
const INTERRUPTED: i32 = 130;

/// A flag that the first Ctrl-C sets, to ask for what there is; the second ends the process.
pub(crate) fn stop_on_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    // The shutdown is registered first, so that it sees the flag as the signal before left it.
    signal_hook::flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&stop))
        .and_then(|_| signal_hook::flag::register(SIGINT, Arc::clone(&stop)))
        .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}
