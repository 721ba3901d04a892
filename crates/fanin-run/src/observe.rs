//! Observing gradients on their way back.
//!
//! An observed value passes through an operation that does nothing forward. Its backward step,
//! which burn runs once with the whole gradient, measures that gradient and passes it on; so no
//! gradient is kept, and none is computed that the run would not need anyway. At a parameter the
//! gradient ends there.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use crate::array::Dense;
use crate::statistics;
use crate::tape::{Var, record};
use crate::trace::Backward;

/// What came back at one place.
#[derive(Clone, Debug)]
pub(crate) struct Gradient {
    /// Its size.
    pub(crate) statistics: Backward,
    /// Different slices along the axis of output units, where that was asked for.
    pub(crate) distinct: Option<usize>,
    /// Slices that are zero everywhere, likewise.
    pub(crate) still: Option<usize>,
}

/// What the run's own thread tells the thread that waits for it.
pub(crate) enum Message {
    /// Steps done and all steps.
    Progress(usize, usize),
    /// The run has ended, well or not.
    End,
}

/// Where gradients are noted down, by place.
#[derive(Clone)]
pub(crate) struct Sink(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    gradients: Vec<Option<Gradient>>,
    seen: usize,
    forward: usize,
    progress: Option<Sender<Message>>,
}

impl Sink {
    /// A sink without places; `forward` steps come before the first gradient.
    pub(crate) fn new(forward: usize, progress: Option<Sender<Message>>) -> Self {
        Self(Arc::new(Mutex::new(Notes {
            forward,
            progress,
            ..Notes::default()
        })))
    }

    fn place(&self) -> usize {
        self.0.lock().map_or(0, |mut notes| {
            notes.gradients.push(None);
            notes.gradients.len() - 1
        })
    }

    fn note(&self, place: usize, gradient: Gradient) {
        if let Ok(mut notes) = self.0.lock() {
            if let Some(slot) = notes.gradients.get_mut(place) {
                *slot = Some(gradient);
            }
            notes.seen += 1;
            if let Some(progress) = &notes.progress {
                let all = notes.gradients.len().max(1);
                // Backward is the second half, in the forward half's units.
                let done = notes.forward + notes.seen * notes.forward / all;
                // Nobody listening is no reason to stop.
                let _ = progress.send(Message::Progress(done, 2 * notes.forward));
            }
        }
    }

    /// What came back at a place; `None` if nothing did.
    pub(crate) fn at(&self, place: usize) -> Option<Gradient> {
        self.0.lock().ok()?.gradients.get(place)?.clone()
    }

    /// The value with its gradient observed, and the place it will be noted at.
    pub(crate) fn value(&self, x: &Var) -> (Var, Option<usize>) {
        if !x.tracked() {
            return (x.clone(), None);
        }
        let place = self.place();
        let sink = self.clone();
        let observed = record(&[x], x.array().clone(), move |g, _| {
            let statistics = statistics::backward(&g);
            sink.note(
                place,
                Gradient {
                    statistics,
                    distinct: None,
                    still: None,
                },
            );
            vec![Some(g)]
        });
        (observed, Some(place))
    }

    /// A parameter as a leaf whose gradient is observed and dropped; `units` is the number of
    /// output units and the elements between them, for weights that have several.
    pub(crate) fn parameter(
        &self,
        x: crate::array::Array,
        units: Option<(usize, usize)>,
    ) -> (Var, usize) {
        let place = self.place();
        let sink = self.clone();
        // The leaf itself has no elements: nothing is left for a gradient to be kept in.
        let leaf = Var::leaf(crate::array::array(&[0], Vec::new()));
        let observed = record(&[&leaf], x, move |g, _| {
            let statistics = statistics::backward(&g);
            let rows = units.map(|(count, inner)| {
                let g = Dense::new(&g);
                (
                    statistics::distinct(&g, count, inner),
                    statistics::still(&g, count, inner),
                )
            });
            sink.note(
                place,
                Gradient {
                    statistics,
                    distinct: rows.map(|(distinct, _)| distinct),
                    still: rows.map(|(_, still)| still),
                },
            );
            vec![Some(crate::array::array(&[0], Vec::new()))]
        });
        (observed, place)
    }
}
