//! The user's own files: what is read from each kind, and the sentence for what cannot be.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use fanin_network::{Dims, HostData};
use fanin_train::{Dataset, Form};
use tempfile::TempDir;

fn form(model: &str) -> Form {
    let dims = Dims {
        batch: Some(4),
        ..Dims::default()
    };
    Form::of(&fanin_network::open(model, &dims).unwrap()).unwrap()
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An IDX file of bytes.
fn idx(shape: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 0x08, shape.len() as u8];
    for axis in shape {
        file.extend(axis.to_be_bytes());
    }
    file.extend(bytes);
    file
}

/// Inputs and classes of all samples, in the order they were put into.
fn samples(dataset: &Dataset) -> (Vec<Vec<f32>>, Vec<i64>) {
    let all: Vec<usize> = (0..dataset.count()).collect();
    let batch = dataset.at(&all).unwrap();
    let name = batch.inputs.names().next().unwrap().to_owned();
    let inputs = batch.inputs.get(&name).unwrap();
    let width = inputs.len() / all.len();
    let values = inputs.to_f32();
    (
        values.chunks(width).map(<[f32]>::to_vec).collect(),
        batch.target.to_i64().unwrap_or_default(),
    )
}

fn read(path: &Path, labels: Option<&str>, model: &str) -> Dataset {
    Dataset::read(path, labels, &form(model)).unwrap()
}

fn fails(path: &Path, labels: Option<&str>, model: &str, message: &str) {
    let error = Dataset::read(path, labels, &form(model))
        .unwrap_err()
        .to_string();
    assert!(error.contains(message), "{error}");
    assert!(!error.contains('\n'), "one sentence: {error}");
}

#[test]
fn mnist_is_read_packed_or_not_and_finds_its_labels() {
    let folder = TempDir::new().unwrap();
    // Picture k is all 10 k; its class is k.
    let pixels: Vec<u8> = (0..8u8).flat_map(|k| [10 * k; 16]).collect();
    let classes: Vec<u8> = (0..8).collect();
    let images = idx(&[8, 4, 4], &pixels);
    let labels = idx(&[8], &classes);
    let plain = write(&folder, "train-images-idx3-ubyte", &images);
    write(&folder, "train-labels-idx1-ubyte", &labels);
    let packed = write(&folder, "t10k-images-idx3-ubyte.gz", &gzip(&images));
    write(&folder, "t10k-labels-idx1-ubyte.gz", &gzip(&labels));
    for path in [&plain, &packed] {
        for model in [
            "mlp(16, 8, 10)",
            "conv(1x4x4, 4, 10)",
            "lstm(4, 8, 10, time=4)",
        ] {
            let dataset = read(path, None, model);
            assert_eq!(dataset.count(), 8);
            let (inputs, classes) = samples(&dataset);
            // Another order, but each picture kept its class; mean 0 and mean square 1.
            let mut order = classes.clone();
            order.sort_unstable();
            assert_eq!(order, (0..8).collect::<Vec<i64>>());
            assert_ne!(classes, order);
            for (input, class) in inputs.iter().zip(classes) {
                let expected = (class as f64 - 3.5) / 5.25f64.sqrt();
                assert!((f64::from(input[0]) - expected).abs() < 1e-6);
            }
        }
        // Grey pictures for a network of colours.
        assert_eq!(
            samples(&read(path, None, "conv(3x4x4, 4, 10)")).0[0].len(),
            48
        );
    }
    fails(
        &plain,
        None,
        "mlp(15, 8, 10)",
        "have shape [4, 4] and the network takes [15]",
    );
    fails(
        &plain,
        None,
        "mlp(16, 8, 5)",
        "is out of range: the network tells 5 classes",
    );
    let alone = write(&folder, "alone/pictures", &images);
    fails(&alone, None, "mlp(16, 8, 10)", "name it with --labels");
    let label_path = folder.path().join("train-labels-idx1-ubyte");
    read(&alone, label_path.to_str(), "mlp(16, 8, 10)");
    fails(
        &alone,
        Some("no-such-file"),
        "mlp(16, 8, 10)",
        "cannot be opened",
    );
}

#[test]
fn broken_idx_files_get_a_sentence() {
    let folder = TempDir::new().unwrap();
    let labels = write(&folder, "labels", &idx(&[2], &[0, 1]));
    let labels = labels.to_str();
    let model = "mlp(16, 8, 10)";
    let whole = idx(&[2, 4, 4], &[7; 32]);
    let packed = gzip(&whole);
    let cut = |name: &str, bytes: &[u8], message: &str| {
        fails(&write(&folder, name, bytes), labels, model, message);
    };
    cut(
        "short",
        &whole[..40],
        "is cut short: shape [2, 4, 4] needs 32 bytes and 24 are there",
    );
    cut("header", &whole[..9], "is cut short");
    cut("packed.gz", &packed[..packed.len() - 12], "is cut short");
    cut(
        "huge",
        &idx(&[u32::MAX, 65535, 65535], &[]),
        "more than the 134217728 numbers",
    );
    cut(
        "large",
        &idx(&[1 << 20, 4, 4], &[]),
        "needs 16777216 bytes and 0 are there",
    );
    cut(
        "type",
        &[0, 0, 0x0a, 1, 0, 0, 0, 1, 5],
        "no element type 0x0a",
    );
    cut("none", &idx(&[0, 4, 4], &[]), "holds 0 samples");
    cut("three", &idx(&[3, 4, 4], &[7; 48]), "one label for each");
    let empty = write(&folder, "no-labels", &idx(&[0], &[]));
    let none = write(&folder, "nobody", &idx(&[0, 4, 4], &[]));
    fails(&none, empty.to_str(), model, "there is not one sample");
    // A small file that opens into a flood: reading ends at what the header declares.
    let flood = gzip(&idx(&[2, 4, 4], &vec![0; 1 << 24]));
    let path = write(&folder, "flood.gz", &flood);
    let error = Dataset::read(&path, labels, &form(model)).unwrap();
    assert_eq!(error.count(), 2);
}

#[test]
fn csv_takes_the_last_column_or_a_named_one() {
    let folder = TempDir::new().unwrap();
    let path = write(
        &folder,
        "flowers.csv",
        b"kind,length,width\nrose,1,30\niris,2,10\nrose,3,20\niris,4,40\n",
    );
    let dataset = read(&path, Some("kind"), "mlp(2, 8, 3)");
    let (inputs, classes) = samples(&dataset);
    // iris is 0, rose is 1: the order of the alphabet. Each column has mean 0 and deviation 1.
    for (input, class) in inputs.iter().zip(classes) {
        let length = f64::from(input[0]) * 1.25f64.sqrt() + 2.5;
        assert_eq!(class == 1, (length.round() as i64) % 2 == 1, "{input:?}");
    }
    let mean: f32 = inputs.iter().map(|i| i[1]).sum::<f32>() / 4.0;
    assert!(mean.abs() < 1e-6);
    // Numbers for a network that gives numbers.
    let path = write(&folder, "line.csv", b"1;2;0.5\n2;3;1.5\n3;5;2.5\n");
    let batch = read(&path, None, "mlp(2, 8, 1)").at(&[0, 1, 2]).unwrap();
    let HostData::F32(mut values) = batch.target.data else {
        panic!("values are floats");
    };
    values.sort_by(f32::total_cmp);
    assert_eq!(values, [0.5, 1.5, 2.5]);
    fails(
        &path,
        None,
        "mlp(3, 8, 1)",
        "have shape [2] and the network takes [3]",
    );
    let words = write(&folder, "words.csv", b"1,2,a\n2,3,b\n");
    fails(
        &words,
        None,
        "mlp(2, 8, 1)",
        "are names, and the network gives values",
    );
    let same = write(&folder, "same.csv", b"1,2,0\n2,3,0\n");
    fails(&same, None, "mlp(2, 8, 2)", "all targets are the same");
    let beyond = write(&folder, "beyond.csv", b"1,2,0\n2,3,7\n");
    fails(&beyond, None, "mlp(2, 8, 2)", "class 7 is out of range");
    fails(
        &folder.path().join("absent.csv"),
        None,
        "mlp(2, 8, 2)",
        "cannot be opened",
    );
}

const TRANSFORMER: &str = "transformer(layers=1, width=16, heads=2, vocab=24, context=8)";

#[test]
fn text_asks_for_the_next_character() {
    let folder = TempDir::new().unwrap();
    let text = "hello world, ".repeat(20);
    let path = write(&folder, "text.txt", text.as_bytes());
    let dataset = read(&path, None, TRANSFORMER);
    assert_eq!(dataset.count(), (text.len() - 1) / 8);
    let batch = dataset.at(&[0]).unwrap();
    let name = batch.inputs.names().next().unwrap().to_owned();
    let ids = batch.inputs.get(&name).unwrap().to_i64().unwrap();
    // " ,dehlorw" in the order of codes: h is 4, e 3, l 5, o 6.
    assert_eq!(ids, [4, 3, 5, 5, 6, 0, 8, 6]);
    assert_eq!(batch.target.to_i64().unwrap(), [3, 5, 5, 6, 0, 8, 6, 7]);
    let many: String = ('a'..='z').collect();
    let many = write(&folder, "many.txt", many.as_bytes());
    fails(
        &many,
        None,
        TRANSFORMER,
        "has 26 different characters and the network knows 24 tokens",
    );
    let short = write(&folder, "short.txt", b"hello");
    fails(
        &short,
        None,
        TRANSFORMER,
        "has 5 characters, and one sample takes 9",
    );
    let bytes = write(&folder, "bytes.txt", &[0xff, 0xfe, 0x41]);
    fails(&bytes, None, TRANSFORMER, "is no UTF-8 text");
    fails(
        &write(&folder, "empty.txt", b""),
        None,
        TRANSFORMER,
        "has 0 characters",
    );
}

/// A picture of one colour: one byte of grey, three of colours, four with alpha.
fn picture(width: u32, height: u32, pixel: &[u8]) -> Vec<u8> {
    let colour = [0, 0, 4, 2, 6][pixel.len()];
    let row = [&[0][..], &pixel.repeat(width as usize)].concat();
    let rows = row.repeat(height as usize);
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&rows).unwrap();
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = [&size[..], &[8, colour, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", header),
        (b"IDAT", encoder.finish().unwrap()),
        (b"IEND", Vec::new()),
    ] {
        let body = [&kind[..], &data].concat();
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(&body);
        file.extend(crc32fast::hash(&body).to_be_bytes());
    }
    file
}

#[test]
fn folders_of_pictures_are_classes() {
    let folder = TempDir::new().unwrap();
    for k in 0..4u8 {
        let grey = picture(8, 8, &[10 + k]);
        write(&folder, &format!("set/dark/{k}.png"), &grey);
        let white = picture(5, 7, &[250, 250, 250, 255]);
        write(&folder, &format!("set/light/{k}.PNG"), &white);
        write(&folder, "set/light/notes.txt", b"not a picture");
    }
    let set = folder.path().join("set");
    for model in ["conv(1x4x4, 4, 2)", "conv(3x8x8, 4, 2)", "mlp(64, 8, 2)"] {
        let (inputs, classes) = samples(&read(&set, None, model));
        assert_eq!(inputs.len(), 8);
        for (input, class) in inputs.iter().zip(classes) {
            assert!(input.iter().all(|&v| (v > 0.0) == (class == 1)), "{model}");
        }
    }
    fails(
        &set,
        None,
        "mlp(65, 8, 2)",
        "has 8 by 8 pixels and the network takes 65 numbers",
    );
    fails(
        &set,
        None,
        "conv(5x8x8, 4, 2)",
        "pictures need 1 or 3 channels",
    );
    fails(&set, None, TRANSFORMER, "pictures need 1 or 3 channels");
    write(&folder, "broken/a/0.png", &picture(4, 4, &[1, 2, 3])[..50]);
    fails(
        &folder.path().join("broken"),
        None,
        "conv(1x4x4, 4, 2)",
        "is no PNG that can be read",
    );
    write(&folder, "flat/0.png", &[]);
    fails(
        &folder.path().join("flat"),
        None,
        "conv(1x4x4, 4, 2)",
        "holds no folders",
    );
    write(&folder, "bare/a/readme", &[]);
    fails(
        &folder.path().join("bare"),
        None,
        "conv(1x4x4, 4, 2)",
        "hold not one .png picture",
    );
}

/// A `.npy` file, version 1.
fn npy(kind: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

#[test]
fn pairs_of_arrays_are_taken_as_they_are() {
    let folder = TempDir::new().unwrap();
    let floats: Vec<u8> = (0..8).flat_map(|v| (v as f32).to_le_bytes()).collect();
    let classes: Vec<u8> = [0i64, 1, 2, 0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let x = write(&folder, "x.npy", &npy("<f4", "(4, 2)", &floats));
    let y = write(&folder, "y.npy", &npy("<i8", "(4,)", &classes));
    let (inputs, classes) = samples(&read(&x, y.to_str(), "mlp(2, 8, 3)"));
    for (input, class) in inputs.iter().zip(classes) {
        assert_eq!(input[1], input[0] + 1.0);
        assert_eq!(class, (input[0] as i64 / 2) % 3);
    }
    fails(&x, None, "mlp(2, 8, 3)", "as --labels y.npy");
    fails(&x, y.to_str(), "mlp(3, 8, 3)", "takes samples of shape [3]");
    let three = write(&folder, "three.npy", &npy("<i8", "(3,)", &[0; 24]));
    fails(
        &x,
        three.to_str(),
        "mlp(2, 8, 3)",
        "there are 4 inputs but 3 targets",
    );
    let cut = write(&folder, "cut.npy", &npy("<f4", "(400, 2)", &floats));
    fails(&cut, y.to_str(), "mlp(2, 8, 3)", "more than the");
}
