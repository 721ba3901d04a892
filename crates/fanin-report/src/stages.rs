//! The stages of a network: layers in a row whose names begin alike, such as `layer3` of a ResNet or
//! one block of a transformer.

use std::ops::Range;

use crate::layers::Layer;

/// More stages than this are no overview.
const MOST: usize = 16;

/// Layers in a row under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// What their names begin with.
    pub(crate) name: String,
    /// Their places in the list of layers.
    pub(crate) layers: Range<usize>,
}

/// The stages by the longest beginnings of names that leave at most sixteen; none where every name
/// begins differently.
pub(crate) fn stages(layers: &[Layer<'_>]) -> Vec<Stage> {
    let names: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
    by_name(&names)
}

fn by_name(names: &[&str]) -> Vec<Stage> {
    let deepest = names.iter().map(|n| n.split('.').count()).max();
    let mut best = Vec::new();
    for parts in 1..=deepest.unwrap_or(0) {
        let stages = grouped(names, parts);
        // One layer each is what the table says anyway.
        if stages.len() > MOST || stages.len() == names.len() {
            break;
        }
        best = stages;
    }
    best
}

/// Groups neighbours whose names agree in their first parts.
fn grouped(names: &[&str], parts: usize) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let end = name
            .match_indices('.')
            .nth(parts - 1)
            .map_or(name.len(), |(at, _)| at);
        let name = &name[..end];
        match stages.last_mut() {
            Some(stage) if stage.name == name => stage.layers.end = index + 1,
            _ => stages.push(Stage {
                name: name.to_owned(),
                layers: index..index + 1,
            }),
        }
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, usize)> {
        let stages = by_name(names).into_iter();
        stages.map(|s| (s.name, s.layers.len())).collect()
    }

    #[test]
    fn stages_are_as_fine_as_an_overview_may_be() {
        let deep: Vec<String> = (0..40).map(|k| format!("layers.{k}")).collect();
        let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
        assert_eq!(found(&deep), [("layers".to_owned(), 40)]);
        let blocks = ["embed", "h.0.q", "h.0.k", "h.1.q", "h.1.k", "head"];
        assert_eq!(
            found(&blocks),
            [("embed", 1), ("h.0", 2), ("h.1", 2), ("head", 1)].map(|(n, k)| (n.to_owned(), k))
        );
        assert_eq!(found(&[]), []);
    }

    #[test]
    fn few_layers_are_one_stage_and_many_strangers_none() {
        assert_eq!(found(&["layers.0", "layers.1"]), [("layers".to_owned(), 2)]);
        let strangers: Vec<String> = (0..40).map(|k| format!("w{k}")).collect();
        let strangers: Vec<&str> = strangers.iter().map(String::as_str).collect();
        assert_eq!(found(&strangers), []);
    }
}
