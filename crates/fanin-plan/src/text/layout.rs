//! The words for what the axes of a weight mean.

use fanin::{Axis, Layout};

use super::fields::Fields;
use crate::PlanError;
use crate::suggest;

const AXES: [(&str, Axis); 5] = [
    ("output", Axis::Output),
    ("input", Axis::Input),
    ("field", Axis::Field),
    ("stack", Axis::Stack),
    ("lookup", Axis::Lookup),
];

/// `output input field field`.
pub(crate) fn axes_text(layout: &Layout) -> String {
    let words: Vec<&str> = layout
        .axes
        .iter()
        .map(|axis| {
            AXES.iter()
                .find(|(_, known)| known == axis)
                .map_or("?", |(word, _)| word)
        })
        .collect();
    words.join(" ")
}

/// Reads `layout`, `groups`, `stride`, `transposed`, `fused` and `sides`. Whether they suit the shape is seen when
/// the initializer is resolved.
pub(super) fn read(fields: &Fields<'_, '_>) -> Result<Layout, PlanError> {
    let axes = fields
        .string("layout")?
        .split_whitespace()
        .map(|word| {
            AXES.iter()
                .find(|(known, _)| *known == word)
                .map(|(_, axis)| *axis)
                .ok_or_else(|| {
                    let known: Vec<&str> = AXES.iter().map(|(word, _)| *word).collect();
                    fields.error(
                        "layout",
                        format!("`{word}` is no axis; {}", suggest::hint(word, &known)),
                    )
                })
        })
        .collect::<Result<Vec<Axis>, PlanError>>()?;
    Ok(Layout {
        axes,
        groups: fields.optional_size("groups")?.unwrap_or(1),
        stride: fields.optional_sizes("stride")?.unwrap_or_default(),
        transposed: fields.optional_bool("transposed")?.unwrap_or(false),
        fused: fields.optional_sizes("fused")?.unwrap_or_default(),
        sides: match fields.optional_sizes("sides")?.as_deref() {
            None => None,
            Some(&[inputs, outputs]) => Some([inputs, outputs]),
            Some(_) => {
                let message = "it has two sizes, inputs and outputs of the weight";
                return Err(fields.error("sides", message.to_owned()));
            }
        },
    })
}
