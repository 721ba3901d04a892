//! A kilobyte of file that declares 10^12 elements. Alone in its process, so that the memory is its own.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod support;

use fanin_network::{ElementType, NetworkError, Origin, Payload, ValueKind};
use prost::Message;
use support::proto::{Model, Tensor};
use support::{external, folder, graph, integers, model, node, read, read_at, tensor, value};

#[track_caller]
fn says(error: NetworkError, words: &str) {
    let message = error.to_string();
    assert!(
        message.contains(words),
        "`{message}` does not say `{words}`"
    );
}

/// The most memory this process has held, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// A linear layer with this weight.
fn with_weight(weight: Tensor) -> Model {
    let nodes = [node("MatMul", &["x", "w"], &["y"])];
    model(&graph(&nodes, &[weight], vec![value("x", &[1, 2])], &["y"]))
}

#[test]
fn a_million_million_declared_elements_take_no_memory() {
    let dims = integers("s", &[2], &[1_000_000, 1_000_000]);
    let nodes = [
        node("ConstantOfShape", &["s"], &["w"]),
        node("MatMul", &["x", "w"], &["y"]),
    ];
    let inputs = vec![value("x", &[1, 1_000_000])];
    let bytes = model(&graph(&nodes, &[dims], inputs, &["y"])).encode_to_vec();
    assert!(bytes.len() < 1000);
    let network = read(&bytes).unwrap();
    let weight = network.values.iter().find(|v| v.name == "w").unwrap();
    assert_eq!(weight.kind, ValueKind::Buffer(Payload::Filled(0.0)));
    assert_eq!(weight.origin, Origin::ConstantOfShape);
    let shape = weight.shape.clone().unwrap();
    assert_eq!(shape, [1_000_000, 1_000_000]);
    // They are refused when somebody asks for them.
    let made = network.elements(&Payload::Filled(0.0), &shape, ElementType::F32);
    says(made.unwrap_err(), "1000000000000 elements");
    // An initializer that declares as many and stores none.
    let mut none = tensor("w", &[1_000_000, 1_000_000], &[]);
    none.raw_data = None;
    let refused = read(&with_weight(none).encode_to_vec());
    says(refused.unwrap_err(), "4000000000000 bytes but holds none");
    // One whose external file has not as many.
    let folder = folder(
        &with_weight(external(
            "w",
            &[1_000_000, 1_000_000],
            &[("location", "w.bin")],
        ))
        .encode_to_vec(),
    );
    std::fs::write(folder.folder.path().join("w.bin"), [0; 64]).unwrap();
    says(read_at(&folder.path).unwrap_err(), "only 64 bytes");
    if let Some(peak) = peak_memory() {
        assert!(peak < 1 << 28, "{peak} bytes");
    }
}
