//! What an operator is asked, and what it answers with.

use std::sync::Arc;

use fanin_network::operator::Setting;
use fanin_network::{HostTensor, Node};

use crate::tape::Var;
use crate::value::Item;

/// Whether to run as in training or as the model is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Batch normalization by the batch's statistics.
    Training,
    /// Batch normalization as the node says.
    AsWritten,
}

/// What an operator is asked to do.
pub(crate) struct Call<'a> {
    /// The node.
    pub(crate) node: &'a Node,
    /// Its inputs; `None` for optional ones left out.
    pub(crate) inputs: Vec<Option<Item>>,
    /// How to run.
    pub(crate) mode: Mode,
}

/// What an operator answers: its outputs, or one sentence.
pub(crate) type Answer = Result<Vec<Item>, String>;

impl Call<'_> {
    /// Number of outputs the node lists.
    pub(crate) fn outputs(&self) -> usize {
        self.node.outputs.len()
    }

    /// Whether the k-th output is wanted.
    pub(crate) fn wants(&self, k: usize) -> bool {
        self.node.outputs.get(k).is_some_and(Option::is_some)
    }

    /// The k-th input, if it is there.
    pub(crate) fn item(&self, k: usize) -> Option<&Item> {
        self.inputs.get(k)?.as_ref()
    }

    /// The k-th input, which must be there.
    pub(crate) fn required(&self, k: usize) -> Result<&Item, String> {
        self.item(k).ok_or_else(|| format!("input {k} is missing"))
    }

    /// The k-th input as a float.
    pub(crate) fn var(&self, k: usize) -> Result<Var, String> {
        self.required(k)?.var()
    }

    /// The k-th input as a float, if it is there.
    pub(crate) fn optional(&self, k: usize) -> Result<Option<Var>, String> {
        self.item(k).map(Item::var).transpose()
    }

    /// The k-th input in plain memory.
    pub(crate) fn tensor(&self, k: usize) -> Result<Arc<HostTensor>, String> {
        self.required(k)?.tensor()
    }

    /// The k-th input as integers, if it is there.
    pub(crate) fn integers(&self, k: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(item) = self.item(k) else {
            return Ok(None);
        };
        let integers = item.tensor()?.to_i64();
        integers
            .map(Some)
            .ok_or_else(|| format!("input {k} must be integers"))
    }

    /// The integers of a setting; `None` where nothing states it.
    pub(crate) fn list(&self, setting: &Setting<Vec<i64>>) -> Result<Option<Vec<i64>>, String> {
        match setting {
            Setting::Given(list) => Ok(Some(list.clone())),
            Setting::Input(slot) => self.integers(*slot),
            Setting::Absent => Ok(None),
        }
    }

    /// The numbers of a setting; `None` where nothing states it.
    pub(crate) fn numbers(&self, setting: &Setting<Vec<f32>>) -> Result<Option<Vec<f32>>, String> {
        Ok(match setting {
            Setting::Given(list) => Some(list.clone()),
            Setting::Input(slot) => match self.item(*slot) {
                Some(item) => Some(item.tensor()?.to_f32()),
                None => None,
            },
            Setting::Absent => None,
        })
    }

    /// The one number of a setting; `None` where nothing states it.
    pub(crate) fn number(&self, setting: &Setting<f32>) -> Result<Option<f32>, String> {
        match setting {
            Setting::Given(number) => Ok(Some(*number)),
            Setting::Input(slot) => {
                let numbers = self.numbers(&Setting::Input(*slot))?;
                Ok(numbers.and_then(|n| n.first().copied()))
            }
            Setting::Absent => Ok(None),
        }
    }
}

/// One output on the tape.
pub(crate) fn one(v: Var) -> Answer {
    Ok(vec![Item::Float(v)])
}

/// An axis counted from the end where negative.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let at = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(at)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("axis {axis} is outside the {rank} axes"))
}

/// Which axes of a rank are listed.
pub(crate) fn axes(list: &[i64], rank: usize) -> Result<Vec<bool>, String> {
    let mut marked = vec![false; rank];
    for &a in list {
        marked[axis(a, rank)?] = true;
    }
    Ok(marked)
}

/// Sizes that must not be negative.
pub(crate) fn sizes(list: &[i64], what: &str) -> Result<Vec<usize>, String> {
    list.iter()
        .map(|&v| {
            usize::try_from(v).map_err(|_| format!("{what} must not be negative, but is {list:?}"))
        })
        .collect()
}
