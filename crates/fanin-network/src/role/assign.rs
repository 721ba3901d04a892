//! Asks every matcher what each parameter is for.

use super::reading::{Reading, Use};
use super::study::Study;
use super::{Feeds, Purpose, Role, layout};
use crate::parameter::Values;
use crate::{Network, NetworkError, Parameter};

/// Fills layout and purpose of every parameter. Shapes must be known ([`crate::infer`]).
///
/// The matchers are asked in the order of how much they know; a parameter that none understands is
/// [`Role::Other`], with a layout guessed from its rank, and says so.
///
/// # Errors
///
/// None today: a graph that makes no sense was refused before. The type leaves room for it.
pub fn assign(network: &mut Network) -> Result<(), NetworkError> {
    let answers = answers(network);
    for (parameter, (layout, purpose)) in network.parameters.iter_mut().zip(answers) {
        parameter.layout = layout;
        parameter.purpose = purpose;
    }
    mark_equal_tables(network);
    Ok(())
}

fn answers(network: &Network) -> Vec<(fanin::Layout, Purpose)> {
    let study = Study::of(network);
    network
        .parameters
        .iter()
        .zip(&study.view.uses)
        .zip(study.readings)
        .map(|((parameter, found), readings)| answer(network, parameter, found, readings))
        .collect()
}

fn answer(
    network: &Network,
    parameter: &Parameter,
    found: &[Use],
    mut readings: Vec<Reading>,
) -> (fanin::Layout, Purpose) {
    let node = found
        .first()
        .map(|first| network.node(first.node).name.clone())
        .unwrap_or_default();
    let speaker = speaker(&readings);
    // Of a stack each matrix has its own role; one used twice is tied.
    let mut matrices = found
        .iter()
        .zip(&readings)
        .filter(|(_, reading)| has_matrix(reading.role));
    let first = matrices.next();
    let tied = first.is_some_and(|(first, own)| {
        matrices.any(|(other, reading)| reading.role != own.role && first.overlaps(other))
    });
    let mixed = readings
        .iter()
        .any(|v| Some(v.feeds) != readings.first().map(|f| f.feeds));
    let others: Vec<String> = readings
        .iter()
        .enumerate()
        .filter(|&(k, v)| k != speaker && readings.get(speaker).is_some_and(|p| p.role != v.role))
        .map(|(_, v)| v.role.to_string())
        .collect();
    let residual = readings.iter().filter_map(|v| v.residual_branches).max();
    let mut reading = if readings.is_empty() {
        Reading::new(
            Role::Other,
            layout::by_rank(&parameter.shape),
            String::from("no operation that depends on the input uses it"),
        )
    } else {
        readings.swap_remove(speaker)
    };
    if reading.role == Role::Other {
        reading.layout = layout::by_rank(&parameter.shape);
    }
    if tied {
        let mut names = others;
        names.sort();
        names.dedup();
        reading.because = format!("{}; also used as {}", reading.because, names.join(", "));
    }
    let feeds = if mixed && !tied {
        Feeds::Mixed
    } else {
        reading.feeds
    };
    (
        reading.layout,
        Purpose {
            role: reading.role,
            feeds,
            norm_follows: reading.norm_follows,
            residual_branches: residual,
            tied,
            recurrent: reading.recurrent,
            forget_gate: reading.forget_gate,
            node,
            because: reading.because,
        },
    )
}

/// Which use speaks for the parameter: a table outranks the head it is tied to; else the role that
/// most uses give, the first of those.
fn speaker(readings: &[Reading]) -> usize {
    let count = |role: Role| readings.iter().filter(|v| v.role == role).count();
    if let Some(table) = readings.iter().position(|v| v.role == Role::Embedding) {
        return table;
    }
    readings
        .iter()
        .enumerate()
        .filter(|(_, v)| v.role != Role::Other)
        .max_by_key(|&(k, v)| (count(v.role), std::cmp::Reverse(k)))
        .map_or(0, |(k, _)| k)
}

/// Whether a role is that of a matrix or table, so that two of them make a parameter tied.
fn has_matrix(role: Role) -> bool {
    matches!(
        role,
        Role::Weight
            | Role::Embedding
            | Role::AttentionQuery
            | Role::AttentionKey
            | Role::AttentionValue
            | Role::AttentionQkv
            | Role::AttentionOutput
            | Role::Gate
            | Role::GateValue
            | Role::OutputHead
    )
}

/// Marks an embedding and an output head that hold the same numbers, the one perhaps transposed:
/// tied in the framework, stored twice by its exporter.
fn mark_equal_tables(network: &mut Network) {
    let values = Values;
    let of = |network: &Network, role: Role| -> Vec<usize> {
        network
            .parameters
            .iter()
            .enumerate()
            .filter(|(_, p)| p.purpose.role == role && !p.purpose.tied && p.shape.len() == 2)
            .map(|(k, _)| k)
            .collect()
    };
    let mut pairs = Vec::new();
    for &table in &of(network, Role::Embedding) {
        for &head in &of(network, Role::OutputHead) {
            if equal(network, &values, table, head) {
                pairs.push((table, head));
            }
        }
    }
    for (table, head) in pairs {
        let names = [table, head].map(|k| network.parameters.get(k).map(|p| p.name.clone()));
        for (k, other) in [(table, 1), (head, 0)] {
            if let (Some(parameter), Some(Some(other))) =
                (network.parameters.get_mut(k), names.get(other))
            {
                parameter.purpose.tied = true;
                parameter.purpose.because = format!(
                    "{}; holds the same numbers as `{other}`",
                    parameter.purpose.because
                );
            }
        }
    }
}

fn equal(network: &Network, values: &Values, table: usize, head: usize) -> bool {
    let (Some(a), Some(b)) = (network.parameters.get(table), network.parameters.get(head)) else {
        return false;
    };
    let ([rows, columns], [p, q]) = (&a.shape[..], &b.shape[..]) else {
        return false;
    };
    let transposed = (rows, columns) == (q, p);
    if !transposed && (rows, columns) != (p, q) {
        return false;
    }
    let (Some(x), Some(y)) = (
        values.read(network, a.value).map(|t| t.to_f32()),
        values.read(network, b.value).map(|t| t.to_f32()),
    ) else {
        return false;
    };
    // Filled files hold one number everywhere; that says nothing.
    if x.iter().all(|v| Some(v) == x.first()) {
        return false;
    }
    x == y
        || transposed
            && (0..*rows)
                .all(|i| (0..*columns).all(|j| x.get(i * columns + j) == y.get(j * rows + i)))
}
