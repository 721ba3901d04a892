//! Asks every matcher what each parameter is for.

use super::attention::Attentions;
use super::residual::Streams;
use super::uses::{Use, Verdict, uses};
use super::view::View;
use super::{
    Feeds, Purpose, Role, activation, attention, convolution, embedding, layout, linear,
    normalization, recurrent, residual,
};
use crate::parameter::Values;
use crate::{Network, NetworkError, NodeId};

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
    let view = View::of(network);
    let streams = Streams::of(&view);
    let attentions = Attentions::of(&view, &streams);
    let all: Vec<Vec<Use>> = network
        .parameters
        .iter()
        .map(|parameter| uses(&view, parameter.value))
        .collect();
    let unrolled: Vec<Option<Verdict>> = all
        .iter()
        .map(|found| recurrent::unrolled(&view, &streams, found))
        .collect();
    let states: Vec<NodeId> = all
        .iter()
        .zip(&unrolled)
        .filter(|(_, verdict)| verdict.is_some())
        .flat_map(|(found, _)| found.iter().map(|u| u.node))
        .collect();

    network
        .parameters
        .iter()
        .zip(&all)
        .zip(unrolled)
        .map(|((parameter, found), unrolled)| {
            let node = found
                .first()
                .map(|first| network.node(first.node).name.clone())
                .unwrap_or_default();
            let mut verdicts: Vec<Verdict> = match unrolled {
                Some(verdict) => vec![verdict],
                None => found
                    .iter()
                    .map(|one| {
                        let mut verdict = ask(&view, &streams, &attentions, one);
                        if recurrent::joins_state(&view, &states, &verdict, one.node) {
                            verdict.role = Role::RecurrentInput;
                            verdict.because =
                                String::from("from the input to the state, steps written out");
                            let width = network
                                .output(one.node)
                                .and_then(|output| view.shape(output).last().copied());
                            verdict.recurrent =
                                width.map(|width| (super::RecurrentKind::Rnn, width));
                        }
                        verdict
                    })
                    .collect(),
            };
            let speaker = speaker(&verdicts);
            let mut roles: Vec<Role> = verdicts
                .iter()
                .map(|v| v.role)
                .filter(|&role| has_matrix(role))
                .collect();
            roles.dedup();
            let tied = roles.iter().any(|role| Some(role) != roles.first());
            let mixed = verdicts
                .iter()
                .any(|v| Some(v.feeds) != verdicts.first().map(|f| f.feeds));
            let others: Vec<String> = verdicts
                .iter()
                .enumerate()
                .filter(|&(k, v)| {
                    k != speaker && verdicts.get(speaker).is_some_and(|p| p.role != v.role)
                })
                .map(|(_, v)| v.role.to_string())
                .collect();
            let residual = verdicts.iter().filter_map(|v| v.residual_branches).max();
            let mut verdict = if verdicts.is_empty() {
                Verdict::new(
                    Role::Other,
                    layout::by_rank(&parameter.shape),
                    String::from("no operation that depends on the input uses it"),
                )
            } else {
                verdicts.swap_remove(speaker)
            };
            if verdict.role == Role::Other {
                verdict.layout = layout::by_rank(&parameter.shape);
            }
            if tied {
                let mut names = others;
                names.sort();
                names.dedup();
                verdict.because = format!("{}; also used as {}", verdict.because, names.join(", "));
            }
            let feeds = if mixed && !tied {
                Feeds::Mixed
            } else {
                verdict.feeds
            };
            (
                verdict.layout,
                Purpose {
                    role: verdict.role,
                    feeds,
                    norm_follows: verdict.norm_follows,
                    residual_branches: residual,
                    tied,
                    recurrent: verdict.recurrent,
                    forget_gate: verdict.forget_gate,
                    node,
                    because: verdict.because,
                },
            )
        })
        .collect()
}

/// Which use speaks for the parameter: a table outranks the head it is tied to; else the role that
/// most uses give, the first of those.
fn speaker(verdicts: &[Verdict]) -> usize {
    let count = |role: Role| verdicts.iter().filter(|v| v.role == role).count();
    if let Some(table) = verdicts.iter().position(|v| v.role == Role::Embedding) {
        return table;
    }
    verdicts
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

fn ask(view: &View<'_>, streams: &Streams, attentions: &Attentions, one: &Use) -> Verdict {
    recurrent::operator(view, one)
        .or_else(|| convolution::weight(view, streams, attentions, one))
        .or_else(|| activation::slope(view, one))
        .or_else(|| attention::bias(view, attentions, one))
        .or_else(|| normalization::affine(view, streams, one))
        .or_else(|| linear::weight(view, streams, attentions, one))
        .or_else(|| linear::bias(view, streams, one))
        .or_else(|| embedding::table(view, one))
        .or_else(|| residual::scale(view, streams, one))
        .unwrap_or_else(|| {
            let node = view.network.node(one.node);
            Verdict::new(
                Role::Other,
                layout::by_rank(&[]),
                format!(
                    "{} `{}` uses it in a way that tells no role; axes guessed from its rank",
                    node.op, node.name
                ),
            )
        })
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
