//! Writing a plan.

use std::fmt;

use super::axes_text;
use super::fields::quoted;
use crate::{ChosenBy, Entry, Plan};

const HEADER: &str = "\
# What each parameter starts with, and why. Written by fanin; `fanin fill` makes the weights from it.
# Every bit follows from the stream, the seed, and the parameter's name, shape, layout and initializer.
# Initializers and reasons may be changed by hand; `fanin explain NAME` says what an initializer does.
";

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        writeln!(f, "format = {}", Self::FORMAT)?;
        writeln!(f, "stream = {}", quoted(Self::STREAM))?;
        writeln!(f, "seed = {}", self.seed)?;
        writeln!(f, "recipe = {}", quoted(self.recipe.name()))?;
        writeln!(f, "\n[model]")?;
        writeln!(f, "name = {}", quoted(&self.model.name))?;
        writeln!(
            f,
            "digest = {}",
            quoted(&format!("sha256:{}", self.model.digest))
        )?;
        self.entries.iter().try_for_each(|entry| block(f, entry))
    }
}

fn block(f: &mut fmt::Formatter<'_>, entry: &Entry) -> fmt::Result {
    writeln!(f, "\n[[parameter]]")?;
    writeln!(f, "name = {}", quoted(&entry.name))?;
    writeln!(f, "shape = {:?}", entry.shape)?;
    writeln!(f, "dtype = {}", quoted(entry.dtype.name()))?;
    writeln!(f, "role = {}", quoted(&entry.role.to_string()))?;
    let layout = &entry.layout;
    writeln!(f, "layout = {}", quoted(&axes_text(layout)))?;
    if layout.groups != 1 {
        writeln!(f, "groups = {}", layout.groups)?;
    }
    if !layout.stride.is_empty() {
        writeln!(f, "stride = {:?}", layout.stride)?;
    }
    if layout.transposed {
        writeln!(f, "transposed = true")?;
    }
    if !layout.fused.is_empty() {
        writeln!(f, "fused = {:?}", layout.fused)?;
    }
    if let Some(sides) = layout.sides {
        writeln!(f, "sides = {sides:?}")?;
    }
    if let Some(fans) = &entry.fans {
        writeln!(f, "fan_in = {}", number(fans.fan_in))?;
        writeln!(f, "fan_out = {}", number(fans.fan_out))?;
    }
    writeln!(
        f,
        "initializer = {}",
        quoted(&entry.initializer.to_string())
    )?;
    if entry.chosen_by != ChosenBy::Recipe {
        writeln!(f, "chosen_by = {}", quoted(&entry.chosen_by.to_string()))?;
    }
    writeln!(f, "reason = {}", quoted(&entry.reason))
}

/// A number that reads back to the same bits: whole ones without a fraction.
fn number(value: f64) -> String {
    // Below 2^53 every whole number is exact.
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        format!("{value:.0}")
    } else {
        format!("{value:?}")
    }
}
