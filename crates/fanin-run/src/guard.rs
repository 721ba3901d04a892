//! A run breaks off with an error, whatever happens in it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, Mutex};

use fanin_network::{Network, NodeId};

use crate::error::RunError;
use crate::pool;

/// Where a run is, for the message should it break off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Before the first node.
    #[default]
    Start,
    /// At a node.
    Node(NodeId),
    /// Going backward.
    Backward,
}

/// Runs `work`, with a pool for its arrays, and turns a panic into an error that names the place.
///
/// Every operator checks its inputs before it computes. Should a check be missing, that must not take down a
/// caller that reads untrusted models, nor print anything on its terminal.
pub(crate) fn guarded<T>(
    network: &Network,
    work: impl FnOnce(&Cell<Place>) -> Result<T, RunError>,
) -> Result<T, RunError> {
    let place = Cell::default();
    let _quiet = Quiet::new();
    let result = catch_unwind(AssertUnwindSafe(|| pool::scope(|| work(&place))));
    result.unwrap_or_else(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()))
            .unwrap_or_else(|| "no reason given".to_owned());
        let place = match place.get() {
            Place::Start => "its start".to_owned(),
            Place::Node(id) => {
                let node = network.node(id);
                format!("node `{}` ({})", node.name, node.op)
            }
            Place::Backward => "the backward pass".to_owned(),
        };
        Err(RunError::Network(format!(
            "the run broke off at {place}: {reason}; this is a defect of fanin, please report it with the model"
        )))
    })
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// Runs under way, and the hook that was there before the first of them.
static QUIET: Mutex<(usize, Option<Arc<Hook>>)> = Mutex::new((0, None));

thread_local! {
    /// Runs under way on this thread.
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// While one of these lives, panics of its thread print nothing, nor do those of rayon's threads, over
/// which a run's loops are shared out; others print as before.
struct Quiet;

impl Quiet {
    fn new() -> Self {
        HERE.set(HERE.get() + 1);
        if let Ok(mut state) = QUIET.lock() {
            state.0 += 1;
            if state.0 == 1 {
                let before = Arc::new(std::panic::take_hook());
                state.1 = Some(Arc::clone(&before));
                std::panic::set_hook(Box::new(move |info| {
                    if HERE.get() == 0 && rayon::current_thread_index().is_none() {
                        before(info);
                    }
                }));
            }
        }
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        HERE.set(HERE.get().saturating_sub(1));
        // The hook cannot be changed by a thread that panics, and must not be then.
        if std::thread::panicking() {
            return;
        }
        if let Ok(mut state) = QUIET.lock() {
            state.0 = state.0.saturating_sub(1);
            if state.0 == 0
                && let Some(before) = state.1.take()
            {
                std::panic::set_hook(Box::new(move |info| before(info)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fanin_network::Dims;

    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_place() {
        let network = fanin_network::open("mlp(3, 4, 2, relu)", &Dims::default()).unwrap();
        let error = guarded(&network, |place| -> Result<(), RunError> {
            place.set(Place::Node(NodeId::from(1)));
            panic!("shapes differ");
        })
        .unwrap_err()
        .to_string();
        let name = &network.nodes[1].name;
        assert!(
            error.contains(&format!("node `{name}`")) && error.contains("shapes differ"),
            "{error}"
        );
    }
}
