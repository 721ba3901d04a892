//! What a model says about its inputs, and the sizes of the dimensions it leaves free.

use std::collections::{BTreeMap, BTreeSet};

use super::proto;
use fanin_graph::element_count;
use fanin_graph::{Dims, ElementType};

/// Batch size where nothing is said: the smallest that shows how samples differ.
const BATCH: usize = 2;
/// Sequence lengths and all free sizes without a better guess.
const LENGTH: usize = 16;
/// Height and width of images: enough for five halvings.
const IMAGE: usize = 64;

/// One axis of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Fixed(usize),
    Named(String),
    Unnamed,
}

/// What the file says about an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) element: ElementType,
    /// `None` where the file does not even say how many axes there are.
    pub(super) axes: Option<Vec<Axis>>,
}

/// A dimension whose size a model leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeDimension {
    /// Its name in the model; `INPUT[AXIS]` where the model gives none. What `--dim` takes.
    pub name: String,
    /// The inputs and axes that have it.
    pub places: Vec<(String, usize)>,
    /// Its size where nothing is said.
    pub default: usize,
}

/// Reads the declaration of an input.
pub(super) fn declaration(info: &proto::ValueInfo) -> Result<Declaration, String> {
    let name = &info.name;
    let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| {
        format!("input `{name}` is not declared as a tensor (a sequence, a map or without a type), which fanin cannot feed")
    })?;
    let element = ElementType::from_onnx(tensor.elem_type);
    if element.size().is_none() {
        return Err(format!(
            "input `{name}` has elements of type {element}, which fanin cannot feed"
        ));
    }
    let axes = tensor.shape.as_ref().map(|shape| {
        let axes = shape.dim.iter();
        axes.map(|dim| match (dim.dim_value, dim.dim_param.as_deref()) {
            (_, Some(symbol)) if !symbol.is_empty() => Axis::Named(symbol.to_owned()),
            // Exporters write 0 or -1 for a size they do not know.
            (Some(size), _) if size > 0 => usize::try_from(size).map_or(Axis::Unnamed, Axis::Fixed),
            _ => Axis::Unnamed,
        })
        .collect()
    });
    Ok(Declaration {
        name: name.clone(),
        element,
        axes,
    })
}

/// The free dimensions of a model, in the order in which its inputs have them.
///
/// The default of a dimension is 2 where its name speaks of a batch, 16 where it speaks of a
/// sequence, a length or a time, and 64 where it speaks of a height or a width. Otherwise it is
/// the batch's where it is the first axis of an input, an image's on the axes of a float input of
/// four axes that are not its few channels, and 16 elsewhere.
pub(super) fn free(declarations: &[Declaration]) -> Vec<FreeDimension> {
    let mut found: Vec<(FreeDimension, Guess)> = Vec::new();
    for input in declarations {
        let axes = input.axes.as_deref().unwrap_or_default();
        for (k, axis) in axes.iter().enumerate() {
            let (name, symbol) = match axis {
                Axis::Fixed(_) => continue,
                Axis::Named(symbol) => (symbol.clone(), symbol.as_str()),
                Axis::Unnamed => (format!("{}[{k}]", input.name), ""),
            };
            let guess = guess(symbol, k, axes, input.element);
            let place = (input.name.clone(), k);
            match found.iter_mut().find(|(f, _)| f.name == name) {
                Some((dimension, before)) => {
                    dimension.places.push(place);
                    // A symbol is a batch if any input has it as its first axis.
                    if guess == Guess::Batch {
                        *before = guess;
                    }
                }
                None => found.push((
                    FreeDimension {
                        name,
                        places: vec![place],
                        default: 0,
                    },
                    guess,
                )),
            }
        }
    }
    found
        .into_iter()
        .map(|(mut dimension, guess)| {
            dimension.default = match guess {
                Guess::Batch => BATCH,
                Guess::Image => IMAGE,
                Guess::Length => LENGTH,
            };
            dimension
        })
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guess {
    Batch,
    Image,
    Length,
}

/// What a free axis probably is.
fn guess(symbol: &str, k: usize, axes: &[Axis], element: ElementType) -> Guess {
    let name = symbol.to_ascii_lowercase();
    let speaks_of = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if speaks_of(&["batch"]) || ["n", "b", "bs"].contains(&name.as_str()) {
        return Guess::Batch;
    }
    if speaks_of(&[
        "seq", "len", "time", "token", "frame", "step", "past", "cache",
    ]) || ["t", "l", "s"].contains(&name.as_str())
    {
        return Guess::Length;
    }
    if speaks_of(&["height", "width"]) || ["h", "w"].contains(&name.as_str()) {
        return Guess::Image;
    }
    if k == 0 {
        return Guess::Batch;
    }
    // Channels are few and fixed: axis 1 of [N, C, H, W], axis 3 of [N, H, W, C].
    let few = |axis: usize| matches!(axes.get(axis), Some(Axis::Fixed(1..=4)));
    if axes.len() == 4 && element.is_float() && (few(1) && k != 1 || !few(1) && few(3) && k != 3) {
        return Guess::Image;
    }
    Guess::Length
}

/// Lists free dimensions for a message.
pub(super) fn describe(free: &[FreeDimension]) -> String {
    if free.is_empty() {
        return "all its dimensions are fixed".to_owned();
    }
    let each: Vec<_> = free
        .iter()
        .take(16)
        .map(|dimension| {
            let places: Vec<_> = dimension
                .places
                .iter()
                .take(4)
                .map(|(input, axis)| format!("axis {axis} of `{input}`"))
                .collect();
            format!("`{}` ({})", dimension.name, places.join(", "))
        })
        .collect();
    format!("its free dimensions are {}", each.join(", "))
}

/// The input that [`Dims::SOLE`] stands for.
fn sole(declarations: &[Declaration]) -> Option<&Declaration> {
    if let [only] = declarations {
        return Some(only);
    }
    let mut floating = declarations.iter().filter(|d| d.element.is_float());
    floating.next().filter(|_| floating.next().is_none())
}

/// The shape of each input under what the user says, in order.
pub(super) fn shapes(declarations: &[Declaration], dims: &Dims) -> Result<Vec<Vec<usize>>, String> {
    let free = free(declarations);
    for name in dims.named.keys() {
        if !free.iter().any(|f| &f.name == name) {
            return Err(format!(
                "the model has no free dimension `{name}`: {}",
                describe(&free)
            ));
        }
    }
    let given = |input: &Declaration| {
        let alias = || {
            dims.inputs
                .get(Dims::SOLE)
                .filter(|_| sole(declarations) == Some(input))
        };
        dims.inputs.get(&input.name).or_else(alias)
    };
    for name in dims.inputs.keys() {
        let alias = name == Dims::SOLE && sole(declarations).is_some();
        let beside = name == Dims::LABELS;
        if !alias && !beside && !declarations.iter().any(|d| &d.name == name) {
            let names: BTreeSet<_> = declarations
                .iter()
                .map(|d| format!("`{}`", d.name))
                .collect();
            let names: Vec<_> = names.into_iter().collect();
            return Err(format!(
                "the model has no input `{name}`: its inputs are {}",
                names.join(", ")
            ));
        }
    }
    // What whole shapes say about symbols comes first, as it wins.
    let mut sizes: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for input in declarations {
        let Some(given) = given(input) else {
            continue;
        };
        let Some(axes) = &input.axes else { continue };
        let differs = |why: String| {
            Err(format!(
                "the data for input `{}` has shape {given:?}, but {why}",
                input.name
            ))
        };
        if given.len() != axes.len() {
            return differs(format!("the model wants {} axes", axes.len()));
        }
        for (k, (axis, &size)) in axes.iter().zip(given).enumerate() {
            match axis {
                Axis::Fixed(fixed) if *fixed != size => {
                    return differs(format!("the model fixes axis {k} at {fixed}"));
                }
                Axis::Named(symbol) => {
                    if let Some((before, other)) = sizes.insert(symbol, (size, &input.name))
                        && before != size
                    {
                        return differs(format!("dimension `{symbol}` is {before} in `{other}`"));
                    }
                }
                Axis::Fixed(_) | Axis::Unnamed => {}
            }
        }
    }
    let mut batch_used = dims.batch.is_none();
    let mut shapes = Vec::with_capacity(declarations.len());
    for input in declarations {
        let shape = match (&input.axes, given(input)) {
            (_, Some(given)) => {
                batch_used = true;
                given.clone()
            }
            (None, None) => {
                return Err(format!(
                    "input `{}` declares no shape; give data for it, whose shape is then taken, or \
                     export the model with shapes",
                    input.name
                ));
            }
            (Some(axes), None) => {
                let mut shape = Vec::with_capacity(axes.len());
                for (k, axis) in axes.iter().enumerate() {
                    let name = match axis {
                        Axis::Fixed(size) => {
                            batch_used |= k == 0 && dims.batch == Some(*size);
                            shape.push(*size);
                            continue;
                        }
                        Axis::Named(symbol) => symbol.clone(),
                        Axis::Unnamed => format!("{}[{k}]", input.name),
                    };
                    let dimension = free.iter().find(|f| f.name == name);
                    let default = dimension.map_or(LENGTH, |f| f.default);
                    shape.push(match (sizes.get(name.as_str()), dims.named.get(&name)) {
                        (Some((size, _)), _) | (None, Some(size)) => {
                            batch_used |= k == 0 || default == BATCH;
                            *size
                        }
                        (None, None) if default == BATCH => {
                            batch_used = true;
                            dims.batch.unwrap_or(BATCH)
                        }
                        (None, None) => default,
                    });
                }
                shape
            }
        };
        if element_count(&shape)
            .and_then(|n| n.checked_mul(8))
            .is_none()
        {
            return Err(format!(
                "input `{}` would have shape {shape:?}, which is more elements than any memory holds",
                input.name
            ));
        }
        shapes.push(shape);
    }
    if !batch_used && !declarations.is_empty() {
        return Err(format!(
            "the batch size cannot be {}, as the model fixes the first axis of each input ({}); \
             export it with a free batch axis or leave the batch size out",
            dims.batch.unwrap_or(BATCH),
            describe(&free)
        ));
    }
    Ok(shapes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, axes: &[&str]) -> Declaration {
        let axes = axes
            .iter()
            .map(|axis| match axis.parse() {
                Ok(size) => Axis::Fixed(size),
                Err(_) if axis.is_empty() => Axis::Unnamed,
                Err(_) => Axis::Named((*axis).to_owned()),
            })
            .collect();
        Declaration {
            name: name.to_owned(),
            element: ElementType::F32,
            axes: Some(axes),
        }
    }

    fn named(pairs: &[(&str, usize)]) -> Dims {
        Dims {
            named: pairs.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect(),
            ..Dims::default()
        }
    }

    #[test]
    fn the_only_input_goes_by_a_name_that_fits_any_model() {
        let image = Declaration {
            name: "pixels".to_owned(),
            element: ElementType::F32,
            axes: Some(vec![Axis::Named("n".to_owned()), Axis::Fixed(3)]),
        };
        let ids = Declaration {
            name: "ids".to_owned(),
            element: ElementType::I64,
            axes: Some(vec![Axis::Named("n".to_owned())]),
        };
        let given = |shape: &[usize]| Dims {
            inputs: [("input".to_owned(), shape.to_vec())].into(),
            ..Dims::default()
        };
        let two = [image.clone(), ids.clone()];
        assert_eq!(
            shapes(&two, &given(&[7, 3])).unwrap(),
            [vec![7, 3], vec![7]]
        );
        let one = std::slice::from_ref(&ids);
        assert_eq!(shapes(one, &given(&[5])).unwrap(), [[5]]);
        let both = [
            image.clone(),
            Declaration {
                name: "mask".to_owned(),
                ..image
            },
        ];
        let error = shapes(&both, &given(&[7, 3])).unwrap_err();
        assert!(error.contains("no input `input`"), "{error}");
    }

    #[test]
    fn defaults_follow_names_and_places() {
        let inputs = [
            input("image", &["", "3", "", "w"]),
            input("ids", &["N", "sequence_length"]),
            input("frames", &["time", "batch", "40"]),
            input("odd", &["unk__6", "unk__7"]),
            input("nhwc", &["unk__6", "", "", "3"]),
        ];
        let shapes = shapes(&inputs, &Dims::default()).unwrap();
        assert_eq!(shapes[0], [2, 3, 64, 64]);
        assert_eq!(shapes[1], [2, 16]);
        assert_eq!(shapes[2], [16, 2, 40]);
        assert_eq!(shapes[3], [2, 16]);
        assert_eq!(shapes[4], [2, 64, 64, 3]);
    }

    #[test]
    fn one_symbol_has_one_size() {
        let inputs = [input("a", &["batch", "seq"]), input("b", &["batch", "seq"])];
        let mut dims = Dims {
            batch: Some(5),
            ..named(&[("seq", 9)])
        };
        assert_eq!(shapes(&inputs, &dims).unwrap(), [[5, 9], [5, 9]]);
        dims.inputs.insert("a".to_owned(), vec![3, 4]);
        assert_eq!(shapes(&inputs, &dims).unwrap(), [[3, 4], [3, 4]]);
        dims.inputs.insert("b".to_owned(), vec![3, 5]);
        let error = shapes(&inputs, &dims).unwrap_err();
        assert!(error.contains("dimension `seq` is 4 in `a`"), "{error}");
    }

    #[test]
    fn unnamed_axes_have_a_name_to_set_them_by() {
        let inputs = [input("x", &["", "3", "", ""])];
        let shapes = shapes(&inputs, &named(&[("x[2]", 32), ("x[3]", 48)])).unwrap();
        assert_eq!(shapes, [[2, 3, 32, 48]]);
    }

    #[test]
    fn wrong_requests_get_a_sentence() {
        let inputs = [input("x", &["4", "n_tokens"])];
        let error = shapes(&inputs, &named(&[("tokens", 3)])).unwrap_err();
        assert!(error.contains("`n_tokens` (axis 1 of `x`)"), "{error}");
        let dims = Dims {
            batch: Some(8),
            ..Dims::default()
        };
        let error = shapes(&inputs, &dims).unwrap_err();
        assert!(error.contains("batch size cannot be 8"), "{error}");
        let mut dims = Dims::default();
        dims.inputs.insert("x".to_owned(), vec![5, 2]);
        let error = shapes(&inputs, &dims).unwrap_err();
        assert!(error.contains("fixes axis 0 at 4"), "{error}");
        dims.inputs = BTreeMap::from([("y".to_owned(), vec![5, 2])]);
        let error = shapes(&inputs, &dims).unwrap_err();
        assert!(error.contains("its inputs are `x`"), "{error}");
        let error = shapes(&inputs, &named(&[("n_tokens", usize::MAX)])).unwrap_err();
        assert!(error.contains("more elements"), "{error}");
    }
}
