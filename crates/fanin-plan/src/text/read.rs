//! Reading a plan: nothing is believed, and nothing is allocated for what the text only claims.

use std::collections::HashMap;
use std::ops::Range;
use std::str::FromStr;

use fanin::{DType, Fans, Initializer, Seed};

use super::fields::{Fields, Text, quoted};
use super::layout;
use crate::role_name;
use crate::{ChosenBy, Entry, Model, Plan, PlanError, Recipe};

impl FromStr for Plan {
    type Err = PlanError;

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`PlanError::Text`] with the line and the field: another format version or stream, an unknown
    /// or missing field, a repeated name, a shape whose size cannot be counted, an initializer that
    /// does not suit the shape.
    fn from_str(text: &str) -> Result<Self, PlanError> {
        let (text, root) = Text::parse(text, "the plan")?;
        // The version comes first: a later one may have fields unknown here.
        version(text, root.get_ref())?;
        let fields = Fields::new(
            text,
            root.get_ref(),
            0..0,
            "",
            &["format", "stream", "seed", "recipe", "model", "parameter"],
        )?;
        let stream = fields.string("stream")?;
        if stream != Self::STREAM {
            return Err(fields.error(
                "stream",
                format!(
                    "this fanin fills from `{}` and has no `{stream}`; take the fanin that wrote the plan, or plan anew",
                    Self::STREAM
                ),
            ));
        }
        let seed = Seed::new(fields.u64("seed")?);
        let recipe = fields
            .string("recipe")?
            .parse::<Recipe>()
            .map_err(|error| fields.error("recipe", error.to_string()))?;
        let (table, at) = fields.table("model")?;
        let model = model(&Fields::new(
            text,
            table,
            at,
            "[model]",
            &["name", "digest"],
        )?)?;
        let mut entries = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (number, (table, at)) in fields.tables("parameter")?.into_iter().enumerate() {
            let begin = at.start;
            let fields = entry_fields(text, table, at, number)?;
            let entry = entry(&fields)?;
            if let Some(first) = seen.insert(entry.name.clone(), begin) {
                return Err(fields.error(
                    "name",
                    format!(
                        "stands in the plan twice; the first is at line {}",
                        text.line(first)
                    ),
                ));
            }
            entries.push(entry);
        }
        Ok(Self {
            seed,
            recipe,
            model,
            entries,
        })
    }
}

fn version(text: Text<'_>, root: &toml::de::DeTable<'_>) -> Result<(), PlanError> {
    let Some(value) = root.get("format") else {
        return Err(text.error(
            &(0..0),
            "`format`",
            format!(
                "missing, so this is no plan; a plan begins with format = {}",
                Plan::FORMAT
            ),
        ));
    };
    match value.get_ref().as_integer() {
        Some(number) if number.to_string() == Plan::FORMAT.to_string() => Ok(()),
        _ => Err(text.error(
            &value.span(),
            "`format`",
            format!(
                "this fanin reads plans of format {}, not {}; take the fanin that wrote it, or plan anew",
                Plan::FORMAT,
                value
                    .get_ref()
                    .as_integer()
                    .map_or_else(|| "this".to_owned(), ToString::to_string)
            ),
        )),
    }
}

fn model(fields: &Fields<'_, '_>) -> Result<Model, PlanError> {
    let digest = fields.string("digest")?;
    let Some(digest) = digest.strip_prefix("sha256:") else {
        return Err(fields.error(
            "digest",
            "expected \"sha256:\" and the digest in hexadecimal",
        ));
    };
    Ok(Model {
        name: fields.string("name")?.to_owned(),
        digest: digest.to_owned(),
    })
}

fn entry_fields<'t, 'a>(
    text: Text<'a>,
    table: &'t toml::de::DeTable<'a>,
    at: Range<usize>,
    number: usize,
) -> Result<Fields<'t, 'a>, PlanError> {
    let mut fields = Fields::new(
        text,
        table,
        at,
        format!("parameter {}", number + 1),
        &[
            "name",
            "shape",
            "dtype",
            "role",
            "layout",
            "groups",
            "stride",
            "transposed",
            "fused",
            "sides",
            "fan_in",
            "fan_out",
            "initializer",
            "chosen_by",
            "reason",
        ],
    )?;
    let name = fields.string("name")?;
    fields.set_owner(quoted(name));
    Ok(fields)
}

fn entry(fields: &Fields<'_, '_>) -> Result<Entry, PlanError> {
    let dtype = fields
        .string("dtype")?
        .parse::<DType>()
        .map_err(|error| fields.error("dtype", error.to_string()))?;
    let role = fields.string("role")?;
    let role = role_name::parse(role).map_err(|message| fields.error("role", message))?;
    let shape = fields.sizes("shape")?;
    let layout = layout::read(fields)?;
    let initializer = fields
        .string("initializer")?
        .parse::<Initializer>()
        .map_err(|error| fields.error("initializer", error.to_string()))?;
    let entry = Entry {
        name: fields.string("name")?.to_owned(),
        fans: layout.fans(&shape).ok(),
        shape,
        dtype,
        role,
        layout,
        initializer,
        chosen_by: match fields.optional_string("chosen_by")? {
            None => ChosenBy::Recipe,
            Some(text) => text
                .parse()
                .map_err(|message| fields.error("chosen_by", message))?,
        },
        reason: fields.string("reason")?.to_owned(),
    };
    // Half of what can be counted: sizes are also asked for as signed numbers.
    if entry.bytes().is_none_or(|bytes| bytes > i64::MAX as u64) {
        return Err(fields.error(
            "shape",
            format!("{:?} has more elements than can be counted", entry.shape),
        ));
    }
    stated_fans(fields, entry.fans.as_ref())?;
    entry
        .initializer
        .resolve(&entry.shape, &entry.layout)
        .map_err(|error| fields.error("initializer", error.to_string()))?;
    Ok(entry)
}

/// Fans follow from shape and layout; what the text says about them must agree.
fn stated_fans(fields: &Fields<'_, '_>, fans: Option<&Fans>) -> Result<(), PlanError> {
    for (field, right) in [
        ("fan_in", fans.map(|fans| fans.fan_in)),
        ("fan_out", fans.map(|fans| fans.fan_out)),
    ] {
        let Some(stated) = fields.optional_number(field)? else {
            continue;
        };
        if right != Some(stated) {
            let right = right.map_or_else(
                || "no such fan".to_owned(),
                |right| format!("{field} {right}"),
            );
            return Err(fields.error(
                field,
                format!("shape and layout give {right}, not {stated}; correct it or leave it out"),
            ));
        }
    }
    Ok(())
}
