//! Where an element lies in a weight: in which of its matrices, at which output, input and position of the field.

use std::sync::OnceLock;

use crate::{Axis, Layout};

/// One axis of the tensor and what its coordinate means.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dim {
    size: u64,
    axis: Axis,
}

/// The matrices of a weight: one for each stacked copy, and within it for each group or fused part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid {
    dims: Vec<Dim>,
    /// Whether the blocks are of inputs: the groups of a transposed convolution.
    input_blocks: bool,
    /// Channels of one group along the axis that groups split.
    group: u64,
    /// First output of every block of outputs, and of the one past the last: fused parts, or groups.
    outputs: Vec<u64>,
    /// Inputs of one matrix.
    inputs: u64,
    taps: u64,
    stack: u64,
}

/// The place of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which stacked copy.
    pub(crate) copy: u64,
    /// Which group or fused part of it.
    pub(crate) block: usize,
    /// Output, input and position of the field within that matrix.
    pub(crate) output: u64,
    pub(crate) input: u64,
    pub(crate) tap: u64,
}

/// One side of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Output,
    Input,
}

impl Grid {
    pub(super) fn new(shape: &[usize], layout: &Layout) -> Self {
        let dims: Vec<Dim> = shape
            .iter()
            .zip(&layout.axes)
            .map(|(&size, &axis)| Dim {
                size: size as u64,
                axis,
            })
            .collect();
        let count = |wanted: &[Axis]| {
            dims.iter()
                .filter(|d| wanted.contains(&d.axis))
                .map(|d| d.size)
                .product::<u64>()
        };
        let groups = layout.group_count(shape).max(1) as u64;
        let (outputs, inputs) = (count(&[Axis::Output]), count(&[Axis::Input, Axis::Lookup]));
        let split = if layout.transposed { inputs } else { outputs };
        let sizes: Vec<u64> = if layout.fused.is_empty() {
            let each = if layout.transposed {
                outputs
            } else {
                outputs / groups
            };
            vec![each; groups as usize]
        } else {
            layout.fused.iter().map(|&size| size as u64).collect()
        };
        let mut first = vec![0];
        for size in sizes {
            first.push(first[first.len() - 1] + size);
        }
        Self {
            input_blocks: layout.transposed && layout.fused.is_empty(),
            group: (split / groups).max(1),
            outputs: first,
            inputs: if layout.transposed {
                inputs / groups
            } else {
                inputs
            },
            taps: count(&[Axis::Field]),
            stack: count(&[Axis::Stack]),
            dims,
        }
    }

    /// Blocks of one copy.
    pub(crate) fn blocks(&self) -> usize {
        self.outputs.len() - 1
    }

    pub(crate) fn outputs(&self, block: usize) -> u64 {
        self.outputs[block + 1] - self.outputs[block]
    }

    pub(crate) fn inputs(&self) -> u64 {
        self.inputs
    }

    pub(crate) fn taps(&self) -> u64 {
        self.taps
    }

    /// Sizes of the field's axes.
    pub(crate) fn field(&self) -> Vec<u64> {
        let field = self.dims.iter().filter(|d| d.axis == Axis::Field);
        field.map(|d| d.size).collect()
    }

    /// The number of a place's matrix, counted over the whole tensor.
    pub(crate) fn matrix(&self, place: &Place) -> u64 {
        place.copy * self.blocks() as u64 + place.block as u64
    }

    /// The position at the centre of the field, k div 2, moved by `offset` along every axis; `None` if that is outside.
    pub(crate) fn tap(&self, offset: i64) -> Option<u64> {
        self.field().into_iter().try_fold(0u64, |tap, size| {
            let at = (size / 2).checked_add_signed(offset)?;
            (at < size || size == 0).then_some(tap * size + at)
        })
    }

    /// The place of element `index`, which must lie in the tensor.
    pub(crate) fn place(&self, mut index: u64) -> Place {
        let (mut output, mut input, mut tap, mut copy) = (0, 0, 0, 0);
        let (mut output_unit, mut input_unit, mut tap_unit, mut copy_unit) = (1, 1, 1, 1);
        for dim in self.dims.iter().rev() {
            let coordinate = index % dim.size;
            index /= dim.size;
            let (sum, unit) = match dim.axis {
                Axis::Output => (&mut output, &mut output_unit),
                Axis::Input | Axis::Lookup => (&mut input, &mut input_unit),
                Axis::Field => (&mut tap, &mut tap_unit),
                Axis::Stack => (&mut copy, &mut copy_unit),
            };
            *sum += coordinate * *unit;
            *unit *= dim.size;
        }
        let (block, output, input) = if self.input_blocks {
            ((input / self.group) as usize, output, input % self.group)
        } else if self.blocks() == 1 {
            (0, output, input)
        } else {
            // Empty parts start where the next one does; the last that starts here has outputs.
            let block = self.outputs.partition_point(|&first| first <= output) - 1;
            (block, output - self.outputs[block], input)
        };
        Place {
            copy,
            block,
            output,
            input,
            tap,
        }
    }

    /// The number of a place's unit on one side, counted over the whole tensor.
    pub(crate) fn unit(&self, side: Side, place: &Place) -> u64 {
        match side {
            Side::Output => place.copy * self.width() + self.outputs[place.block] + place.output,
            Side::Input => self.matrix(place) * self.inputs + place.input,
        }
    }

    /// Outputs of all blocks of one copy.
    fn width(&self) -> u64 {
        self.outputs[self.blocks()]
    }

    /// The side whose units are the slower ones in memory.
    pub(crate) fn leading_side(&self) -> Side {
        let leads = |d: &&Dim| matches!(d.axis, Axis::Output | Axis::Input | Axis::Lookup);
        match self.dims.iter().find(leads).map(|d| d.axis) {
            Some(Axis::Output) => Side::Output,
            _ => Side::Input,
        }
    }

    /// The units of one side that elements `start .. start + count` touch, or a few more; `count` is not 0.
    fn units(&self, side: Side, start: u64, count: usize) -> std::ops::Range<u64> {
        let first = self.place(start);
        let last = self.place(start + count as u64 - 1);
        let per_copy = match side {
            Side::Output => self.width(),
            Side::Input => self.blocks() as u64 * self.inputs,
        };
        let copies_lead = {
            let leading = self.dims.iter().take_while(|d| d.axis == Axis::Stack);
            leading.count() == self.dims.iter().filter(|d| d.axis == Axis::Stack).count()
        };
        let leads = self
            .dims
            .iter()
            .find(|d| d.axis != Axis::Stack)
            .is_some_and(|d| match side {
                Side::Output => d.axis == Axis::Output && !self.input_blocks,
                Side::Input => {
                    matches!(d.axis, Axis::Input | Axis::Lookup)
                        && (self.input_blocks || self.blocks() == 1)
                }
            });
        match (copies_lead, leads) {
            (true, true) => self.unit(side, &first)..self.unit(side, &last) + 1,
            (true, false) => first.copy * per_copy..(last.copy + 1) * per_copy,
            (false, _) => 0..self.stack * per_copy,
        }
    }
}

/// Something of each unit, made once by whichever thread asks first.
#[derive(Debug)]
pub(crate) struct PerUnit<T> {
    first: u64,
    side: Side,
    made: Vec<OnceLock<T>>,
}

impl<T> PerUnit<T> {
    /// For the units that a slice touches.
    pub(crate) fn new(grid: &Grid, side: Side, start: u64, count: usize) -> Self {
        let units = grid.units(side, start, count);
        let made = (units.start..units.end).map(|_| OnceLock::new()).collect();
        Self {
            first: units.start,
            side,
            made,
        }
    }

    /// Of the unit of this place. `make` must not wait for other threads.
    pub(crate) fn of(&self, grid: &Grid, place: &Place, make: impl FnOnce(u64) -> T) -> &T {
        let unit = grid.unit(self.side, place);
        self.made[(unit - self.first) as usize].get_or_init(|| make(unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every element is at one place, and the units that a slice touches are among those that are said.
    #[test]
    fn places_are_all_different_and_units_are_found() {
        let cases: [(Layout, &[usize]); 8] = [
            (Layout::linear_out_in().stack(1), &[2, 4, 3]),
            (Layout::linear_in_out().fused(&[2, 0, 3]), &[4, 5]),
            (Layout::linear_out_in().fused(&[2, 0, 3]), &[5, 4]),
            (Layout::conv(2, 2), &[4, 3, 2, 3]),
            (Layout::conv_channels_last(1, 2), &[3, 2, 4]),
            (Layout::conv_transpose(1, 2, &[]), &[4, 3, 3]),
            (Layout::depthwise_channels_last(1), &[3, 4, 2]),
            (Layout::depthwise(1), &[4, 1, 3]),
        ];
        for (layout, shape) in cases {
            let grid = Grid::new(shape, &layout);
            let count = shape.iter().product::<usize>() as u64;
            let mut seen = std::collections::HashSet::new();
            for i in 0..count {
                let place = grid.place(i);
                assert!(place.output < grid.outputs(place.block), "{layout:?} {i}");
                assert!(place.input < grid.inputs() && place.tap < grid.taps());
                let key = (grid.matrix(&place), place.output, place.input, place.tap);
                assert!(seen.insert(key), "{layout:?} {i}");
            }
            for side in [Side::Output, Side::Input] {
                for start in 0..count {
                    for end in start + 1..=count {
                        let units = grid.units(side, start, (end - start) as usize);
                        for i in start..end {
                            assert!(units.contains(&grid.unit(side, &grid.place(i))));
                        }
                    }
                }
            }
        }
    }
}
