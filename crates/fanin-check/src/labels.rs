//! Labels given beside the data: how frequent each class is.

use fanin_network::{Dims, HostTensor, Network};
use fanin_run::{Data, first_floating};

use crate::CheckError;

/// Takes the labels out of the data, unless the network has an input of their name; `None` for data
/// of which nothing is left.
pub(crate) fn split_labels(network: &Network, data: Data) -> (Option<Data>, Option<HostTensor>) {
    let input = |name: &str| {
        network
            .inputs
            .iter()
            .any(|&id| network.value(id).name == name)
    };
    let mut arrays = data.into_arrays();
    let labels = match input(Dims::LABELS) {
        true => None,
        false => arrays.remove(Dims::LABELS),
    };
    ((!arrays.is_empty()).then(|| Data::new(arrays)), labels)
}

/// How many labels name each class of the first floating output.
///
/// Classes lie along axis 1 of maps and along the last axis of anything else. With `data`, the labels
/// are those of its samples: one for each place that the output speaks of. Without, they are as many
/// as the user likes.
///
/// # Errors
///
/// Labels that are no whole numbers, of a class that the output has not, or of another number than the
/// samples; an output without classes.
pub fn class_counts(
    network: &Network,
    labels: &HostTensor,
    data: Option<&Data>,
) -> Result<Vec<u64>, CheckError> {
    let fail = |message: String| Err(CheckError::Labels(message));
    let output = network.value(first_floating(network)?);
    let shape = output.shape.as_deref().unwrap_or_default();
    let axis = if shape.len() >= 4 {
        1
    } else {
        shape.len().saturating_sub(1)
    };
    let classes = shape.get(axis).copied().unwrap_or(0);
    if shape.len() < 2 || classes < 2 {
        return fail(format!(
            "output `{}` of shape {shape:?} has no axis with a place for each class; leave the labels out",
            output.name
        ));
    }
    let places: usize = shape.iter().product::<usize>() / classes;
    if data.is_some() && labels.len() != places {
        return fail(format!(
            "{} labels of shape {:?} are given, but output `{}` of shape {shape:?} needs {places}: one \
             for each sample and place",
            labels.len(),
            labels.shape,
            output.name
        ));
    }
    let Some(values) = labels.to_i64() else {
        return fail(format!(
            "they are {}; write class indices from 0, as whole numbers",
            labels.element
        ));
    };
    let mut counts = vec![0u64; classes];
    for (place, value) in values.into_iter().enumerate() {
        let slot = usize::try_from(value).ok().and_then(|k| counts.get_mut(k));
        let Some(slot) = slot else {
            return fail(format!(
                "label {place} is class {value}, but output `{}` has {classes} classes, from 0 to {}",
                output.name,
                classes - 1
            ));
        };
        *slot += 1;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn labels(shape: &[usize], values: &[i64]) -> HostTensor {
        HostTensor::i64(shape.to_vec(), values.to_vec()).unwrap()
    }

    #[test]
    fn labels_are_counted_by_class() {
        let dims = Dims {
            batch: Some(2),
            ..Dims::default()
        };
        let network = fanin_network::open("mlp(4, 8, 3, relu)", &dims).unwrap();
        let counts = class_counts(&network, &labels(&[5], &[0, 2, 2, 1, 2]), None).unwrap();
        assert_eq!(counts, [1, 1, 3]);
        let x = HostTensor::f32(vec![2, 4], vec![0.5; 8]).unwrap();
        let given = BTreeMap::from([
            ("input".to_owned(), x),
            (Dims::LABELS.to_owned(), labels(&[2], &[0, 2])),
        ]);
        let (data, found) = split_labels(&network, Data::new(given));
        let (data, found) = (data.unwrap(), found.unwrap());
        assert_eq!(data.names().collect::<Vec<_>>(), ["input"]);
        assert_eq!(
            class_counts(&network, &found, Some(&data)).unwrap(),
            [1, 0, 1]
        );
        let alone = Data::new(BTreeMap::from([(
            Dims::LABELS.to_owned(),
            labels(&[1], &[0]),
        )]));
        assert!(split_labels(&network, alone).0.is_none());
    }

    #[test]
    fn what_is_wrong_with_labels_is_said() {
        let network = fanin_network::open("mlp(4, 8, 3, relu)", &Dims::default()).unwrap();
        let refused = |labels: &HostTensor, data: Option<&Data>, words: &str| {
            let error = class_counts(&network, labels, data)
                .unwrap_err()
                .to_string();
            assert!(error.contains(words), "`{error}` lacks `{words}`");
        };
        refused(&labels(&[2], &[0, 3]), None, "label 1 is class 3");
        refused(&labels(&[1], &[-1]), None, "class -1");
        let data = Data::default();
        refused(&labels(&[3], &[0, 1, 2]), Some(&data), "3 labels");
        let floats = HostTensor::f32(vec![2], vec![0.0, 1.0]).unwrap();
        refused(&floats, None, "whole numbers");
        let one = fanin_network::open("mlp(4, 8, 1, relu)", &Dims::default()).unwrap();
        let error = class_counts(&one, &labels(&[2], &[0, 1]), None);
        assert!(error.unwrap_err().to_string().contains("no axis"));
    }
}
