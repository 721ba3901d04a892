//! Files that are wrong, by accident or on purpose: each gets one sentence, takes no memory to
//! speak of, and never a panic.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod support;

use std::time::{Duration, Instant};

use fanin_network::{NetworkError, ValueKind};
use proptest::prelude::*;
use prost::Message;
use support::proto::{Attribute, Function, Model, OperatorSet, Tensor};
use support::{
    external, folder, graph, integers, model, node, read, read_at, tensor, tensor_attribute,
    two_layers, value,
};

/// The message for a model, which must be refused with words that say what is wrong.
fn refusal(model: &Model) -> String {
    refusal_of(&model.encode_to_vec())
}

fn refusal_of(bytes: &[u8]) -> String {
    sentence(read(bytes).map(|_| ()))
}

fn sentence(result: Result<(), NetworkError>) -> String {
    let message = result.expect_err("must be refused").to_string();
    assert!(!message.contains('\n'), "one line: {message}");
    assert!(message.len() < 1000, "one sentence: {message}");
    message
}

#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{message}` does not say `{word}`");
    }
}

/// A linear layer with this weight.
fn with_weight(weight: Tensor) -> Model {
    let nodes = [node("MatMul", &["x", "w"], &["y"])];
    model(&graph(&nodes, &[weight], vec![value("x", &[1, 2])], &["y"]))
}

#[test]
fn what_is_no_model_is_refused() {
    says(&refusal_of(b""), &["model.onnx", "empty"]);
    says(&refusal_of(b"hello, I am a text file\n"), &["text file"]);
    says(
        &refusal_of(b"version https://git-lfs.github.com/spec/v1\n"),
        &["git lfs pull"],
    );
    says(
        &refusal_of(b"PK\x03\x04\x00\x00\x08\x08"),
        &["zip", "torch.onnx.export", "optimize=False"],
    );
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for length in [1, 7, 100, 4096, 100_000] {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random as u8
            })
            .collect();
        says(&refusal_of(&bytes), &["model.onnx"]);
    }
    let folder = folder(b"x");
    says(
        &sentence(read_at(folder.folder.path()).map(|_| ())),
        &["folder"],
    );
    let none = folder.folder.path().join("none.onnx");
    says(&sentence(read_at(&none).map(|_| ())), &["none.onnx"]);
}

#[test]
fn truncated_files_are_refused_wherever_they_end() {
    let whole = two_layers().encode_to_vec();
    assert!(read(&whole).is_ok());
    for length in 0..whole.len() {
        says(&refusal_of(&whole[..length]), &["model.onnx"]);
    }
}

#[test]
fn cycles_are_named() {
    let mut nodes = vec![
        node("Add", &["x", "c"], &["a"]),
        node("Relu", &["a"], &["b"]),
        node("Tanh", &["b"], &["c"]),
        node("Sigmoid", &["c"], &["y"]),
    ];
    nodes[1].name = "middle".to_owned();
    let message = refusal(&model(&graph(&nodes, &[], vec![value("x", &[1])], &["y"])));
    says(&message, &["cycle", "`middle` (Relu)", "Add_0", "Tanh_0"]);
    assert!(!message.contains("Sigmoid"), "{message}");
    // A node that reads itself.
    let nodes = [node("Add", &["x", "y"], &["y"])];
    let message = refusal(&model(&graph(&nodes, &[], vec![value("x", &[1])], &["y"])));
    says(&message, &["cycle", "`Add_0`"]);
}

#[test]
fn names_that_nobody_or_two_provide_are_refused() {
    let x = || vec![value("x", &[1])];
    let nodes = [node("Add", &["x", "ghost"], &["y"])];
    says(
        &refusal(&model(&graph(&nodes, &[], x(), &["y"]))),
        &["`ghost`", "Add"],
    );
    let nodes = [node("Relu", &["x"], &["y"])];
    says(
        &refusal(&model(&graph(&nodes, &[], x(), &["z"]))),
        &["returns `z`"],
    );
    says(
        &refusal(&model(&graph(&nodes, &[], x(), &[]))),
        &["no outputs"],
    );
    let twice = [node("Relu", &["x"], &["y"]), node("Tanh", &["x"], &["y"])];
    says(
        &refusal(&model(&graph(&twice, &[], x(), &["y"]))),
        &["`y`", "twice"],
    );
    let over_input = [node("Relu", &["x"], &["x"])];
    says(
        &refusal(&model(&graph(&over_input, &[], x(), &["x"]))),
        &["`x`", "twice"],
    );
    let same = [tensor("w", &[2], &[0.0; 2]), tensor("w", &[2], &[0.0; 2])];
    says(
        &refusal(&model(&graph(&nodes, &same, x(), &["y"]))),
        &["`w`", "twice"],
    );
}

#[test]
fn shapes_that_lie_are_refused() {
    says(
        &refusal(&with_weight(tensor("w", &[2, 3], &[0.0; 5]))),
        &["`w`", "[2, 3] f32 = 24 bytes", "holds 20"],
    );
    let mut typed = tensor("w", &[2, 3], &[]);
    typed.raw_data = None;
    typed.float_data = vec![0.0; 7];
    says(
        &refusal(&with_weight(typed)),
        &["`w`", "6 elements", "holds 7"],
    );
    let mut both = tensor("w", &[1], &[0.0]);
    both.float_data = vec![0.0];
    says(&refusal(&with_weight(both)), &["`w`", "twice"]);
    says(
        &refusal(&with_weight(tensor("w", &[2, -3], &[0.0; 6]))),
        &["`w`", "negative"],
    );
    let mut none = tensor("w", &[2, 3], &[]);
    none.raw_data = None;
    says(
        &refusal(&with_weight(none)),
        &["`w`", "holds none", "ConstantOfShape"],
    );
    let mut half = tensor("w", &[1], &[]);
    (half.raw_data, half.data_type, half.int32_data) = (None, 10, vec![70_000]);
    says(&refusal(&with_weight(half)), &["`w`", "70000", "f16"]);
    let mut unknown = tensor("w", &[1], &[0.0]);
    unknown.data_type = 17;
    says(&refusal(&with_weight(unknown)), &["`w`", "17"]);
}

#[test]
fn sizes_that_overflow_are_refused() {
    for dims in [
        vec![1 << 32, 1 << 32],
        vec![i64::MAX, 2],
        vec![i64::MAX],
        vec![1 << 61],
        vec![2; 64],
    ] {
        let message = refusal(&with_weight(tensor("w", &dims, &[0.0])));
        says(&message, &["`w`", "more elements"]);
    }
    says(
        &refusal(&with_weight(tensor("w", &[1; 65], &[0.0]))),
        &["65 axes"],
    );
    // Zero axes hide an overflow of the others from a plain product.
    assert!(read(&with_weight(tensor("w", &[0, 3], &[])).encode_to_vec()).is_ok());
    let dims = integers("s", &[2], &[i64::MAX, i64::MAX]);
    let nodes = [
        node("ConstantOfShape", &["s"], &["w"]),
        node("MatMul", &["x", "w"], &["y"]),
    ];
    let declared = model(&graph(&nodes, &[dims], vec![value("x", &[1])], &["y"]));
    says(&refusal(&declared), &["`w`", "more elements"]);
}

#[test]
fn external_data_must_lie_in_the_models_own_folder() {
    let refused = |location: &str, words: &[&str]| {
        let weight = external("w", &[2, 1], &[("location", location)]);
        let folder = folder(&with_weight(weight).encode_to_vec());
        let inside = folder.folder.path();
        std::fs::create_dir(inside.join("sub")).unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(outside.path(), [0; 8]).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outside.path(), inside.join("link.bin")).unwrap();
            std::os::unix::fs::symlink(std::env::temp_dir(), inside.join("way")).unwrap();
        }
        let message = sentence(read_at(&folder.path).map(|_| ()));
        says(&message, &["`w`"]);
        says(&message, words);
    };
    refused("../../etc/passwd", &["out of the folder"]);
    refused("sub/../../x.bin", &["out of the folder"]);
    refused("/etc/passwd", &["absolute"]);
    refused("none.bin", &["beside the model"]);
    refused("sub", &["not a regular file"]);
    refused("a\0b", &["cannot be read"]);
    refused("", &["does not say which"]);
    #[cfg(unix)]
    {
        refused("link.bin", &["symbolic link"]);
        refused("way/x.bin", &["`w`"]);
    }
}

#[test]
fn external_data_must_have_the_bytes() {
    let with = |entries: &[(&str, &str)]| {
        let folder = folder(&with_weight(external("w", &[2, 1], entries)).encode_to_vec());
        std::fs::write(folder.folder.path().join("w.bin"), [0; 64]).unwrap();
        read_at(&folder.path)
    };
    let location = ("location", "w.bin");
    assert!(with(&[location]).is_ok());
    assert!(with(&[location, ("offset", "56"), ("length", "8")]).is_ok());
    let refused = |entries: &[(&str, &str)], words: &[&str]| {
        says(&sentence(with(entries).map(|_| ())), words);
    };
    refused(&[location, ("offset", "57")], &["only 64 bytes"]);
    refused(
        &[location, ("offset", "18446744073709551615")],
        &["only 64 bytes"],
    );
    refused(&[location, ("offset", "-1")], &["`-1`", "offset"]);
    refused(&[location, ("length", "12")], &["names 12 bytes"]);
}

#[test]
fn a_link_inside_the_folder_is_fine() {
    let weight = external("w", &[2, 1], &[("location", "./link.bin")]);
    let folder = folder(&with_weight(weight).encode_to_vec());
    std::fs::write(folder.folder.path().join("w.bin"), [0; 8]).unwrap();
    #[cfg(unix)]
    {
        let link = folder.folder.path().join("link.bin");
        std::os::unix::fs::symlink("w.bin", link).unwrap();
        assert!(read_at(&folder.path).is_ok());
    }
}

#[test]
fn many_tensors_of_one_file_do_not_multiply_it() {
    // 4 MiB of file named by 100 tensors of bytes, each 32 MiB as integers in memory.
    let tensors: Vec<Tensor> = (0..100)
        .map(|k| {
            let mut t = external(&format!("t{k}"), &[1 << 22], &[("location", "t.bin")]);
            t.data_type = 3;
            t
        })
        .collect();
    let nodes = [node("Relu", &["x"], &["y"])];
    let bytes = model(&graph(&nodes, &tensors, vec![value("x", &[1])], &["y"])).encode_to_vec();
    let folder = folder(&bytes);
    let data = std::fs::File::create(folder.folder.path().join("t.bin")).unwrap();
    data.set_len(1 << 22).unwrap();
    drop(data);
    let message = sentence(read_at(&folder.path).map(|_| ()));
    says(&message, &["more than 1 GiB"]);
}

fn function(name: &str, nodes: &[support::proto::Node]) -> Function {
    Function {
        name: name.to_owned(),
        domain: "own".to_owned(),
        input: vec!["a".to_owned()],
        output: vec!["b".to_owned()],
        node: nodes.iter().map(|n| n.encode_to_vec().into()).collect(),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: 17,
        }],
        ..Default::default()
    }
}

fn call(name: &str, input: &str, output: &str) -> support::proto::Node {
    let mut call = node(name, &[input], &[output]);
    call.domain = "own".to_owned();
    call
}

fn with_functions(functions: &[Function], first: &str) -> Model {
    let nodes = [call(first, "x", "y")];
    let mut model = model(&graph(&nodes, &[], vec![value("x", &[1])], &["y"]));
    model.functions = functions.iter().map(|f| f.encode_to_vec().into()).collect();
    model
}

#[test]
fn functions_that_call_themselves_are_refused() {
    let itself = function("f", &[call("f", "a", "b")]);
    says(
        &refusal(&with_functions(&[itself], "f")),
        &["`f`", "calls itself"],
    );
    let there = function("f", &[call("g", "a", "b")]);
    let back = function("g", &[call("f", "a", "b")]);
    says(
        &refusal(&with_functions(&[there, back], "f")),
        &["calls itself"],
    );
}

#[test]
fn functions_that_multiply_are_refused_in_time() {
    // Each calls the next ten times: 10^20 nodes in 4 kB.
    let functions: Vec<Function> = (0..20)
        .map(|k| {
            let name = |k: usize| format!("f{k}");
            let place = |k: usize| match k {
                0 => "a".to_owned(),
                10 => "b".to_owned(),
                k => format!("v{k}"),
            };
            let calls: Vec<_> = (0..10)
                .map(|i| match k {
                    19 => node("Relu", &[&place(i)], &[&place(i + 1)]),
                    _ => call(&name(k + 1), &place(i), &place(i + 1)),
                })
                .collect();
            function(&name(k), &calls)
        })
        .collect();
    let start = Instant::now();
    says(
        &refusal(&with_functions(&functions, "f0")),
        &["functions", "256 MiB"],
    );
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn deep_nesting_is_refused_and_does_not_end_the_stack() {
    let mut inner = graph(&[node("Relu", &["x"], &["y"])], &[], vec![], &["y"]);
    for _ in 0..5000 {
        let mut branch = node("If", &["c"], &["y"]);
        for name in ["then_branch", "else_branch"] {
            branch.attribute.push(Attribute {
                name: name.to_owned(),
                r#type: 5,
                g: (name == "then_branch").then(|| inner.encode_to_vec().into()),
                ..Default::default()
            });
        }
        inner = graph(&[branch], &[], vec![], &["y"]);
    }
    let mut condition = integers("c", &[1], &[]);
    (condition.data_type, condition.int32_data) = (9, vec![1]);
    inner.initializer.push(condition.encode_to_vec().into());
    inner.input.push(value("x", &[1]));
    says(&refusal(&model(&inner)), &["levels deep"]);
}

#[test]
fn control_flow_that_only_a_run_decides_is_named() {
    let body = graph(&[node("Relu", &["x"], &["r"])], &[], vec![], &["r"]);
    let attribute = |name: &str| Attribute {
        name: name.to_owned(),
        r#type: 5,
        g: Some(body.encode_to_vec().into()),
        ..Default::default()
    };
    let mut branch = node("If", &["x"], &["y"]);
    branch.name = "choose".to_owned();
    branch.attribute = vec![attribute("then_branch"), attribute("else_branch")];
    let inputs = || vec![value("x", &[1])];
    says(
        &refusal(&model(&graph(&[branch], &[], inputs(), &["y"]))),
        &["`choose` (If)", "condition"],
    );
    let mut repeat = node("Loop", &["x"], &["y"]);
    repeat.attribute = vec![attribute("body")];
    says(
        &refusal(&model(&graph(&[repeat], &[], inputs(), &["y"]))),
        &["(Loop)", "subgraph"],
    );
}

#[test]
fn operator_sets_out_of_range_are_refused() {
    let mut old = two_layers();
    old.opset_import[0].version = 8;
    says(
        &refusal(&old),
        &["operator set 8", "9 to", "version_converter"],
    );
    old.opset_import[0].version = 1000;
    says(&refusal(&old), &["operator set 1000"]);
    old.opset_import.clear();
    says(&refusal(&old), &["does not say which operator set"]);
}

#[test]
fn inputs_that_cannot_be_fed_are_refused() {
    let nodes = [node("Relu", &["x"], &["y"])];
    let mut strings = vec![value("x", &[1])];
    strings[0]
        .r#type
        .as_mut()
        .unwrap()
        .tensor_type
        .as_mut()
        .unwrap()
        .elem_type = 8;
    says(
        &refusal(&model(&graph(&nodes, &[], strings, &["y"]))),
        &["`x`", "string"],
    );
    let mut nothing = vec![value("x", &[1])];
    nothing[0].r#type = None;
    says(
        &refusal(&model(&graph(&nodes, &[], nothing, &["y"]))),
        &["`x`", "not declared as a tensor"],
    );
    let mut shapeless = vec![value("x", &[1])];
    shapeless[0]
        .r#type
        .as_mut()
        .unwrap()
        .tensor_type
        .as_mut()
        .unwrap()
        .shape = None;
    says(
        &refusal(&model(&graph(&nodes, &[], shapeless, &["y"]))),
        &["`x`", "no shape"],
    );
    let huge = vec![value("x", &[i64::MAX, 4])];
    says(
        &refusal(&model(&graph(&nodes, &[], huge, &["y"]))),
        &["`x`", "more elements"],
    );
}

/// A model with one of everything the reader looks into.
fn rich() -> Model {
    let mut condition = integers("c", &[1], &[]);
    (condition.data_type, condition.int32_data) = (9, vec![1]);
    let branch = graph(
        &[node("Relu", &["h"], &["r"])],
        &[tensor("inner", &[2], &[1.0, 2.0])],
        vec![],
        &["r"],
    );
    let mut choose = node("If", &["c"], &["i"]);
    for name in ["then_branch", "else_branch"] {
        choose.attribute.push(Attribute {
            name: name.to_owned(),
            r#type: 5,
            g: Some(branch.encode_to_vec().into()),
            ..Default::default()
        });
    }
    let mut constant = node("Constant", &[], &["k"]);
    constant.attribute = vec![tensor_attribute("value", &tensor("", &[2, 2], &[0.5; 4]))];
    let mut half = tensor("half", &[2], &[]);
    (half.data_type, half.raw_data, half.int32_data) = (10, None, vec![15360, 0]);
    let nodes = [
        constant,
        node("ConstantOfShape", &["s"], &["w"]),
        node("MatMul", &["x", "w"], &["h"]),
        choose,
        call("f", "i", "j"),
        node("MatMul", &["j", "k"], &["l"]),
        node("Cast", &["half"], &["q"]),
        node("Add", &["l", "q"], &["y"]),
    ];
    let stored = [integers("s", &[2], &[3, 2]), condition, half];
    let mut model = model(&graph(&nodes, &stored, vec![value("x", &[4, 3])], &["y"]));
    let body = function(
        "f",
        &[node("Tanh", &["a"], &["t"]), node("Relu", &["t"], &["b"])],
    );
    model.functions = vec![body.encode_to_vec().into()];
    model
}

#[test]
fn the_rich_model_is_read() {
    let network = read(&rich().encode_to_vec()).unwrap();
    let ops: Vec<_> = network.nodes.iter().map(|n| n.op.as_str()).collect();
    assert_eq!(
        ops,
        ["MatMul", "Relu", "Tanh", "Relu", "MatMul", "Cast", "Add"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Whatever happens to the bytes, reading ends with a network or a sentence.
    #[test]
    fn mutated_models_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        doubled in prop::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
    ) {
        let mut bytes = rich().encode_to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some((from, to)) = doubled {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let piece = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(to..to, piece);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match read(&bytes) {
            Ok(network) => {
                // Whatever is stored can be had, or refused.
                for value in &network.values {
                    if let (ValueKind::Buffer(payload), Some(shape), Some(element)) =
                        (&value.kind, &value.shape, value.element)
                        && shape.iter().product::<usize>() < 1 << 20
                    {
                        let _ = network.elements(payload, shape, element);
                    }
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
