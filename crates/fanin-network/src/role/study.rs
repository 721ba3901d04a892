//! All that the matchers say of a network: a reading of every use of every parameter.

use super::attention::Attentions;
use super::reading::{Reading, Use};
use super::residual::Streams;
use super::view::View;
use super::{
    RecurrentKind, Role, attention, embedding, layout, linear, normalization, recurrent, residual,
    slope,
};
use crate::{Network, NodeId, ValueKind};

/// A network, prepared, and what every use of every parameter is read as.
pub(crate) struct Study<'a> {
    pub(crate) view: View<'a>,
    pub(crate) streams: Streams,
    /// One per use in [`View::uses`].
    pub(crate) readings: Vec<Vec<Reading>>,
}

impl<'a> Study<'a> {
    pub(crate) fn of(network: &'a Network) -> Self {
        let view = View::of(network);
        let streams = Streams::of(&view);
        let attentions = Attentions::of(&view, &streams);
        let unrolled: Vec<Option<Reading>> = view
            .uses
            .iter()
            .map(|found| recurrent::unrolled(&view, &streams, found))
            .collect();
        let states: Vec<NodeId> = view
            .uses
            .iter()
            .zip(&unrolled)
            .filter(|(_, reading)| reading.is_some())
            .flat_map(|(found, _)| found.iter().map(|u| u.node))
            .collect();
        let read = |one: &Use| {
            let mut reading = ask(&view, &streams, &attentions, one);
            if recurrent::joins_state(&view, &states, &reading, one.node) {
                reading.role = Role::RecurrentInput;
                reading.because = String::from("from the input to the state, steps written out");
                let output = view.network.output(one.node);
                let width = output.and_then(|output| view.shape(output).last().copied());
                reading.recurrent = width.map(|width| (RecurrentKind::Rnn, width));
            }
            reading
        };
        let readings = view
            .uses
            .iter()
            .zip(unrolled)
            .map(|(found, unrolled)| match unrolled {
                Some(reading) => vec![reading; found.len()],
                None => found.iter().map(read).collect(),
            })
            .collect();
        Self {
            view,
            streams,
            readings,
        }
    }

    /// What a use is read as.
    pub(crate) fn reading(&self, found: &Use) -> Option<&Reading> {
        let ValueKind::Parameter(parameter) = self.view.network.value(found.parameter).kind else {
            return None;
        };
        let uses = self.view.uses.get(parameter.index())?;
        let at = uses
            .iter()
            .position(|other| (other.node, other.slot) == (found.node, found.slot))?;
        self.readings.get(parameter.index())?.get(at)
    }

    /// The layer that a use adds a bias to.
    pub(crate) fn biased(&self, found: &Use) -> Option<NodeId> {
        let reading = self.reading(found)?;
        match reading.role {
            Role::Bias => linear::biased(&self.view, found),
            Role::RecurrentBias => Some(found.node),
            _ => None,
        }
    }
}

fn ask(view: &View<'_>, streams: &Streams, attentions: &Attentions, one: &Use) -> Reading {
    linear::part(view, one)
        .or_else(|| recurrent::operator(view, one))
        .or_else(|| slope::slope(view, one))
        .or_else(|| attention::bias(view, attentions, one))
        .or_else(|| normalization::affine(view, streams, one))
        .or_else(|| linear::weight(view, streams, attentions, one))
        .or_else(|| linear::bias(view, streams, one))
        .or_else(|| embedding::table(view, one))
        .or_else(|| residual::scale(view, streams, one))
        .unwrap_or_else(|| {
            let node = view.network.node(one.node);
            Reading::new(
                Role::Other,
                layout::by_rank(&[]),
                format!(
                    "{} `{}` uses it in a way that tells no role; axes guessed from its rank",
                    node.op_name(),
                    node.name
                ),
            )
        })
}
