//! Operators that put elements in by index.

use super::call::{Call, Outcome, Stop, integers, mixed, tensor};
use super::geometry;
use super::index::{element_offsets, tuple_offsets};
use super::kind::{Kind, same_kinds, settle};
use crate::{HostData, HostTensor};

/// What happens where an update meets an element.
#[derive(Clone, Copy)]
enum Meeting {
    Replace,
    Add,
    Mul,
    Max,
    Min,
}

impl Meeting {
    fn of(call: &Call<'_>) -> Result<Self, Stop> {
        Ok(match call.attributes.str("reduction", "none") {
            "none" => Self::Replace,
            "add" => Self::Add,
            "mul" => Self::Mul,
            "max" => Self::Max,
            "min" => Self::Min,
            other => {
                return Err(Stop::Wrong(format!(
                    "does not know the reduction `{other}`"
                )));
            }
        })
    }

    fn apply<T: Kind>(self, old: T, new: T) -> T {
        match self {
            Self::Replace => new,
            Self::Add => old.add(new),
            Self::Mul => old.mul(new),
            Self::Max => old.most(new),
            Self::Min => old.least(new),
        }
    }
}

/// `data` with blocks of `block` updates put in at `offsets`.
fn put(
    call: &Call<'_>,
    data: &HostTensor,
    updates: &HostTensor,
    offsets: &[usize],
    block: usize,
) -> Outcome {
    call.size(&data.shape)?;
    let meeting = Meeting::of(call)?;
    let result: Option<HostData> = same_kinds!(&data.data, &updates.data, old, new => {
        let mut out = old.clone();
        if block > 0 {
            for (&offset, new) in offsets.iter().zip(new.chunks_exact(block)) {
                for (old, &new) in out[offset..offset + block].iter_mut().zip(new) {
                    *old = meeting.apply(*old, new);
                }
            }
        }
        out
    });
    let result = result.ok_or_else(|| mixed(data, updates))?;
    Ok(vec![tensor(
        data.shape.clone(),
        data.element,
        settle(data.element, result),
    )])
}

pub(super) fn scatter_elements(call: &Call<'_>) -> Outcome {
    let data = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let updates = call.required(2, "updates")?;
    let axis = call.attributes.int("axis", 0);
    let axis = geometry::elements_axis(&data.shape, &indices.shape, axis)?;
    if indices.shape != updates.shape {
        return Err(Stop::Wrong(format!(
            "indices {:?} and updates {:?} differ in shape",
            indices.shape, updates.shape
        )));
    }
    let picks = integers(indices, "indices")?;
    let offsets = element_offsets(&data.shape, &indices.shape, &picks, axis)?;
    put(call, data, updates, &offsets, 1)
}

pub(super) fn scatter_nd(call: &Call<'_>) -> Outcome {
    let data = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let updates = call.required(2, "updates")?;
    let depth = geometry::scatter_nd(&data.shape, &indices.shape, &updates.shape)?;
    let block = data.shape[depth..].iter().product();
    let offsets = if depth == 0 {
        let tuples = indices.shape.iter().rev().skip(1).product();
        vec![0; tuples]
    } else {
        tuple_offsets(&data.shape, 0, depth, &integers(indices, "indices")?)?
    };
    put(call, data, updates, &offsets, block)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{counted, i, named, one, one_with};
    use crate::Attribute;
    use crate::infer::testing::attributes;

    #[test]
    fn blocks_are_put_in() {
        let found = one(
            "ScatterND",
            &[
                &counted(&[3, 2]),
                &i(&[2, 1], &[2, -3]),
                &i(&[2, 2], &[10, 11, 12, 13]),
            ],
        );
        assert_eq!(found.unwrap(), i(&[3, 2], &[12, 13, 2, 3, 10, 11]));
        let found = one(
            "ScatterND",
            &[&counted(&[2]), &i(&[1, 1], &[2]), &i(&[1], &[9])],
        );
        assert!(found.is_err());
    }

    #[test]
    fn elements_that_meet_are_reduced() {
        let by = |reduction: &str| {
            let reduction = attributes([("reduction", Attribute::String(reduction.to_owned()))]);
            let inputs = [&i(&[3], &[1, 2, 3]), &i(&[2], &[1, 1]), &i(&[2], &[5, 7])];
            one_with("ScatterElements", reduction, &inputs)
        };
        assert_eq!(by("none").unwrap(), i(&[3], &[1, 7, 3]));
        assert_eq!(by("add").unwrap(), i(&[3], &[1, 14, 3]));
        assert_eq!(by("mul").unwrap(), i(&[3], &[1, 70, 3]));
        assert_eq!(by("max").unwrap(), i(&[3], &[1, 7, 3]));
        assert_eq!(by("min").unwrap(), i(&[3], &[1, 2, 3]));
        assert!(by("sometimes").is_err());
        let axis = named([("axis", 1)]);
        let inputs = [
            &counted(&[2, 2]),
            &i(&[2, 1], &[1, 0]),
            &i(&[2, 1], &[8, 9]),
        ];
        assert_eq!(
            one_with("ScatterElements", axis, &inputs).unwrap(),
            i(&[2, 2], &[0, 8, 9, 3])
        );
    }
}
