//! The run's own thread: a deep stack, and panics that become errors.

use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use crate::error::RunError;
use crate::observe::Message;
use crate::tape;

const NAME: &str = "fanin-run";

/// Bytes of stack: burn cleans its tape up recursively, node by node.
pub(crate) const STACK: usize = 64 << 20;

/// How the run says where it is.
#[derive(Clone)]
pub(crate) struct Reports {
    place: Arc<Mutex<String>>,
    sender: Sender<Message>,
}

impl Reports {
    /// Notes what is being computed, for the message should it break off.
    pub(crate) fn at(&self, place: &str) {
        if let Ok(mut now) = self.place.lock() {
            place.clone_into(&mut now);
        }
    }

    /// Tells how far the run has come.
    pub(crate) fn progress(&self, done: usize, all: usize) {
        // Nobody listening is no reason to stop.
        let _ = self.sender.send(Message::Progress(done, all));
    }

    /// Where to send such messages to.
    pub(crate) fn sender(&self) -> Sender<Message> {
        self.sender.clone()
    }
}

/// Runs `work` on a thread of its own, and turns a panic into an error that names the place.
///
/// Every operator checks its inputs before it computes. Should a check be missing, burn panics on
/// shapes that do not fit; that must not take down a caller that reads untrusted models, nor print
/// anything on its terminal. `progress` is called on the calling thread.
pub(crate) fn on_own_thread<T: Send>(
    progress: Option<&(dyn Fn(usize, usize) + Send)>,
    work: impl FnOnce(Reports) -> Result<T, RunError> + Send,
) -> Result<T, RunError> {
    let (sender, receiver) = channel();
    let reports = Reports {
        place: Arc::default(),
        sender,
    };
    let place = Arc::clone(&reports.place);
    let _quiet = Quiet::new();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name(NAME.to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || {
                let end = reports.sender();
                let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(reports)));
                tape::release();
                let _ = end.send(Message::End);
                result
            });
        let thread =
            thread.map_err(|e| RunError::Network(format!("cannot start a thread: {e}")))?;
        while let Ok(Message::Progress(done, all)) = receiver.recv() {
            if let Some(progress) = progress {
                progress(done, all);
            }
        }
        match thread.join() {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) | Err(panic) => {
                let reason = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()))
                    .unwrap_or_else(|| "no reason given".to_owned());
                let place = place.lock().map(|p| p.clone()).unwrap_or_default();
                Err(RunError::Network(format!(
                    "the run broke off at {place}: {reason}; this is a defect of fanin, please report it with the model"
                )))
            }
        }
    })
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// Runs under way, and the hook that was there before the first of them.
static QUIET: Mutex<(usize, Option<Arc<Hook>>)> = Mutex::new((0, None));

/// While one of these lives, panics of a run's threads print nothing; others print as before.
struct Quiet;

impl Quiet {
    fn new() -> Self {
        if let Ok(mut state) = QUIET.lock() {
            state.0 += 1;
            if state.0 == 1 {
                let before = Arc::new(std::panic::take_hook());
                state.1 = Some(Arc::clone(&before));
                std::panic::set_hook(Box::new(move |info| {
                    let ours = std::thread::current().name() == Some(NAME);
                    // A run's loops are shared out over rayon's threads.
                    if !ours && rayon::current_thread_index().is_none() {
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
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_place() {
        let error = on_own_thread(None, |reports| -> Result<(), RunError> {
            reports.at("node `a` (Add)");
            panic!("shapes differ");
        })
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("node `a` (Add)") && error.contains("shapes differ"),
            "{error}"
        );
    }

    #[test]
    fn progress_is_told_on_the_calling_thread() {
        let here = std::thread::current().id();
        let seen = Mutex::new(Vec::new());
        let progress = |done: usize, all: usize| {
            assert_eq!(std::thread::current().id(), here);
            seen.lock().unwrap().push((done, all));
        };
        on_own_thread(Some(&progress), |reports| {
            reports.progress(1, 2);
            reports.progress(2, 2);
            Ok(())
        })
        .unwrap();
        assert_eq!(*seen.lock().unwrap(), [(1, 2), (2, 2)]);
    }

    #[test]
    fn what_no_backward_pass_consumes_is_freed() {
        use crate::array::full;
        use crate::tape::{Var, record};
        let held = Arc::new(());
        let kept = Arc::clone(&held);
        on_own_thread(None, move |_| {
            let x = Var::leaf(full(&[2], 1.0));
            let y = record(&[&x], full(&[2], 1.0), move |g, _| {
                let _ = &kept;
                vec![Some(g)]
            });
            drop((x, y));
            Ok(())
        })
        .unwrap();
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
