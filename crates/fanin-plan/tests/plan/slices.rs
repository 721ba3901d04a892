//! Parts of tensors, shards by size, and checking files against their plan.

use std::path::Path;

use fanin::DType;
use fanin_plan::{FillOptions, Slices, Verify, shard_path};

use crate::fill::{plan, read, replace};

/// The bytes of some rows and columns of a matrix.
fn cut(bytes: &[u8], width: usize, size: usize, rows: &[usize], columns: &[usize]) -> Vec<u8> {
    rows.iter()
        .flat_map(|row| {
            columns
                .iter()
                .map(move |column| (row * width + column) * size)
        })
        .flat_map(|at| bytes[at..at + size].to_vec())
        .collect()
}

#[test]
fn ranks_hold_their_parts_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    for dtype in [DType::F32, DType::BF16] {
        let plan = plan(Some(dtype));
        plan.fill_file(&path, &replace()).unwrap();
        let whole = read(&path);
        let size = dtype.size_of();
        let mut columns = 0;
        for rank in 1..=3 {
            let mut slices = Slices::default();
            slices.add("l*", "0:0").unwrap(); // the next one wins
            slices.add("large", &format!("{rank}/3")).unwrap();
            slices.add("odd*", &format!(":, {rank}/3")).unwrap();
            let options = FillOptions {
                slices,
                ..FillOptions::default()
            };
            let path = folder.path().join(format!("{dtype}-{rank}.safetensors"));
            plan.fill_file(&path, &options).unwrap();
            let part = read(&path);
            let (_, shape, bytes) = &part["large"];
            let rows: Vec<usize> = (234 * (rank - 1)..(234 * rank).min(700)).collect();
            assert_eq!(*shape, [rows.len(), 1100]);
            assert!(
                *bytes
                    == cut(
                        &whole["large"].2,
                        1100,
                        size,
                        &rows,
                        &(0..1100).collect::<Vec<_>>()
                    )
            );
            // Orthogonal, and columns only.
            let (_, shape, bytes) = &part["odd square"];
            let taken: Vec<usize> = (columns..columns + shape[1]).collect();
            columns += shape[1];
            assert!(
                *bytes
                    == cut(
                        &whole["odd square"].2,
                        730,
                        size,
                        &(0..730).collect::<Vec<_>>(),
                        &taken
                    )
            );
            // What nothing matches is whole.
            assert_eq!(part["bias"], whole["bias"]);
            assert_eq!(part["table"], whole["table"]);
            // The file says itself which parts it holds.
            assert_eq!(
                plan.verify(&path, &Verify::default()).unwrap().difference,
                None
            );
        }
        assert_eq!(columns, 730);
    }
}

#[test]
fn slices_that_do_not_exist_get_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let error = |name: &str, ranges: &str| {
        let mut slices = Slices::default();
        if let Err(error) = slices.add(name, ranges) {
            return error.to_string();
        }
        let options = FillOptions {
            slices,
            ..FillOptions::default()
        };
        let path = folder.path().join("w.safetensors");
        plan(None)
            .fill_file(&path, &options)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error("large", "0:701"),
        "parameter `large` [700, 1100]: the slice `0:701`: 0..701 is no range of axis 0 of shape [700, 1100]; its positions are 0..700"
    );
    assert_eq!(
        error("larg", ":"),
        "no parameter of this plan is called `larg`, of which a slice is asked for"
    );
    assert!(error("bias", ":, 0:1").contains("2 axes are given for shape [13]"));
    assert!(error("bias", "first half").contains("is no range; write 0:512"));
    assert!(
        error("[a", ":").contains("the name `[a` of a slice"),
        "{}",
        error("[a", ":")
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn shards_by_size_are_those_of_hugging_face() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let plan = plan(Some(DType::F32));
    plan.fill_file(&path, &replace()).unwrap();
    let whole = read(&path);
    // Bytes of the tensors: 3080000, 0, 2131600, 252, 52, 12028, 4. The expected sets are those that
    // huggingface_hub 2.4.0 gives (tools/shards_of_hugging_face.py).
    for (most, expected) in [
        (
            3_080_000,
            vec![
                vec!["large", "empty"],
                vec!["odd square", "odd", "bias", "table", "scalar"],
            ],
        ),
        (
            3_000_000,
            vec![
                vec!["large"],
                vec!["empty", "odd square", "odd", "bias", "table", "scalar"],
            ],
        ),
        (
            300,
            vec![
                vec!["large"],
                vec!["odd square"],
                vec!["empty", "odd"],
                vec!["table"],
                vec!["bias", "scalar"],
            ],
        ),
    ] {
        let options = FillOptions {
            max_shard_bytes: Some(most),
            ..replace()
        };
        let filled = plan.fill_file(&path, &options).unwrap();
        let found: Vec<Vec<String>> = filled
            .files
            .iter()
            .map(|file| read(file).into_keys().collect())
            .collect();
        let sorted: Vec<Vec<String>> = expected
            .iter()
            .map(|names| {
                let mut names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
                names.sort();
                names
            })
            .collect();
        assert_eq!(found, sorted, "{most}");
        let n = expected.len();
        assert_eq!(filled.files[0], shard_path(&path, 1, n));
        let index = filled.index.unwrap();
        let index: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(index).unwrap()).unwrap();
        assert_eq!(index["metadata"]["total_size"], plan.bytes().unwrap());
        for (name, file) in index["weight_map"].as_object().unwrap() {
            let part = read(&folder.path().join(file.as_str().unwrap()));
            assert_eq!(part[name], whole[name]);
        }
        let verified = plan.verify(
            &folder.path().join("model.safetensors.index.json"),
            &Verify::default(),
        );
        assert_eq!(verified.unwrap().difference, None);
    }
    // One shard is a plain file.
    let other = folder.path().join("one.safetensors");
    let options = FillOptions {
        max_shard_bytes: Some(1 << 40),
        ..FillOptions::default()
    };
    let filled = plan.fill_file(&other, &options).unwrap();
    assert_eq!((filled.files, filled.index), (vec![other.clone()], None));
    assert!(std::fs::read(&other).unwrap() == std::fs::read(&path).unwrap());
}

#[test]
fn what_is_there_is_not_written_again_and_something_else_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let plan = plan(None);
    let first = plan.fill_file(&path, &FillOptions::default()).unwrap();
    assert_eq!(first.found, 0);
    let second = plan.fill_file(&path, &FillOptions::default()).unwrap();
    assert_eq!((second.found, second.files), (first.bytes, first.files));
    for other in [
        "something else".as_bytes(),
        &std::fs::read(&path).unwrap()[..5000],
    ] {
        std::fs::write(&path, other).unwrap();
        let error = plan
            .fill_file(&path, &FillOptions::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with(
                "it exists and holds something else; choose another name, or --force to replace it"
            ),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), other);
    }
    plan.fill_file(&path, &replace()).unwrap();
    assert_eq!(
        plan.verify(&path, &Verify::default()).unwrap().difference,
        None
    );
    // One shard that is in the way, of three: none is written.
    let shards = FillOptions {
        max_shard_bytes: Some(3_000_000),
        ..FillOptions::default()
    };
    let set = folder.path().join("set.safetensors");
    let in_the_way = shard_path(&set, 2, 2);
    std::fs::write(&in_the_way, "mine").unwrap();
    let error = plan.fill_file(&set, &shards).unwrap_err().to_string();
    assert!(
        error.contains("set-00002-of-00002.safetensors: it exists"),
        "{error}"
    );
    assert!(!shard_path(&set, 1, 2).exists());
    assert_eq!(std::fs::read(&in_the_way).unwrap(), b"mine");
}

#[test]
fn an_index_of_other_shards_goes_before_they_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let index = folder.path().join("model.safetensors.index.json");
    let shards = |i, n| FillOptions {
        shard: Some((i, n)),
        ..replace()
    };
    let (old, mut new) = (plan(None), plan(None));
    new.seed = fanin::Seed::new(99);
    for i in 1..=2 {
        old.fill_file(&path, &shards(i, 2)).unwrap();
    }
    assert!(index.exists());
    // The same shard again changes nothing.
    old.fill_file(&path, &shards(1, 2)).unwrap();
    assert!(index.exists());
    // Of another plan: a reader must not take the one and the other together.
    new.fill_file(&path, &shards(1, 2)).unwrap();
    assert!(!index.exists());
    new.fill_file(&path, &shards(2, 2)).unwrap();
    assert!(index.exists());
    assert_eq!(
        new.verify(folder.path(), &Verify::default())
            .unwrap()
            .difference,
        None
    );
    // Under other names the old set stays until the new one is complete.
    old.fill_file(&path, &shards(1, 3)).unwrap();
    assert_eq!(
        new.verify(&index, &Verify::default()).unwrap().difference,
        None
    );
}

/// What a check says, where it differs.
fn differs(path: &Path) -> String {
    let verified = plan(Some(DType::BF16))
        .verify(path, &Verify::default())
        .unwrap();
    verified
        .difference
        .map_or_else(String::new, |difference| difference.to_string())
}

#[test]
fn a_check_names_the_first_difference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let plan = plan(Some(DType::BF16));
    let mut seen = plan.clone();
    plan.fill_file(&path, &FillOptions::default()).unwrap();
    assert_eq!(differs(&path), "");
    assert_eq!(differs(folder.path()), "");
    let verified = plan.verify(&path, &Verify::default()).unwrap();
    assert_eq!((verified.tensors, verified.files), (7, vec![path.clone()]));

    // One bit, in the second block of one tensor and in a later one.
    let good = std::fs::read(&path).unwrap();
    let begin = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let mut bad = good.clone();
    bad[begin + 2 * (650 * 1100 + 17)] ^= 1;
    bad[begin + 2 * (700 * 1100 + 5)] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    let said = differs(&path);
    assert!(
        said.starts_with(&format!(
            "`large` in {} differs at element [650, 17]: it is ",
            path.display()
        )),
        "{said}"
    );
    bad[begin + 2 * (650 * 1100 + 17)] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    assert!(
        differs(&path).contains("`odd square` in") && differs(&path).contains("element [0, 5]")
    );

    // The signs of zero are two values.
    let zero = plan
        .entries
        .iter()
        .position(|entry| entry.name == "bias")
        .unwrap();
    let before: u64 = plan.entries[..zero]
        .iter()
        .map(|entry| entry.bytes().unwrap())
        .sum();
    let mut bad = good.clone();
    bad[begin + before as usize + 1] ^= 0x80;
    std::fs::write(&path, &bad).unwrap();
    let said = differs(&path);
    assert!(
        said.ends_with("differs at element [0]: it is -0.0, and the plan gives 0.0"),
        "{said}"
    );

    // Another format, shape, seed; fewer and more tensors.
    for (message, change) in [
        (
            "`large` in FILE is F32, and the plan gives BF16",
            Box::new(|plan: &mut fanin_plan::Plan| plan.entries[0].dtype = DType::F32)
                as Box<dyn Fn(&mut fanin_plan::Plan)>,
        ),
        (
            "`large` in FILE has the shape [1100, 700], and the plan gives [700, 1100]",
            Box::new(|plan| plan.entries[0].shape.reverse()),
        ),
        (
            "`large` in FILE differs at element [0, 0]",
            Box::new(|plan| plan.seed = fanin::Seed::new(8)),
        ),
        (
            "`empty` is missing",
            Box::new(|plan| drop(plan.entries.remove(1))),
        ),
        (
            "FILE holds `more`, which the plan does not have",
            Box::new(|plan| {
                let mut more = plan.entries[0].clone();
                more.name = "more".to_owned();
                plan.entries.push(more);
            }),
        ),
    ] {
        seen.clone_from(&plan);
        change(&mut seen);
        seen.fill_file(&path, &replace()).unwrap();
        let said = differs(&path);
        let message = message.replace("FILE", &path.display().to_string());
        assert!(said.starts_with(&message), "{said} is not {message}");
    }
}

#[test]
fn a_check_of_shards_looks_at_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let plan = plan(Some(DType::BF16));
    let options = FillOptions {
        max_shard_bytes: Some(500_000),
        ..FillOptions::default()
    };
    let filled = plan.fill_file(&path, &options).unwrap();
    let n = filled.files.len();
    assert!(n > 2);
    assert_eq!(differs(folder.path()), "");
    let index = filled.index.unwrap();
    assert_eq!(differs(&index), "");
    // One alone holds some tensors, and these are right.
    let one = plan.verify(&filled.files[1], &Verify::default()).unwrap();
    assert_eq!(one.difference, None);
    assert!(one.tensors < 7);
    // The index says another file.
    let text = std::fs::read_to_string(&index).unwrap();
    let name = |k: usize| {
        filled.files[k]
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    let wrong = text.replacen(
        &format!("\"odd\": \"{}\"", name(2)),
        &format!("\"odd\": \"{}\"", name(1)),
        1,
    );
    assert_ne!(wrong, text);
    std::fs::write(&index, &wrong).unwrap();
    assert!(
        differs(&index).contains("by the index"),
        "{}",
        differs(&index)
    );
    // It looks outside its folder, or is none.
    let error = |text: &str| {
        std::fs::write(&index, text).unwrap();
        plan.verify(&index, &Verify::default())
            .unwrap_err()
            .to_string()
    };
    assert!(error(&text.replacen(&name(0), "../x.safetensors", 1)).contains("outside its folder"));
    assert!(error("{}").contains("it is no index"));
    std::fs::remove_file(&index).unwrap();
    // Without an index, all files together.
    assert_eq!(differs(folder.path()), "");
    let stray = folder.path().join("zz.safetensors");
    std::fs::copy(&filled.files[0], &stray).unwrap();
    assert!(differs(folder.path()).contains("is in") && differs(folder.path()).contains("as well"));
    std::fs::remove_file(stray).unwrap();
    std::fs::remove_file(&filled.files[0]).unwrap();
    assert!(differs(folder.path()).ends_with("is missing"));
}

#[test]
fn what_cannot_be_read_gets_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(None);
    let error = |path: &Path| {
        plan.verify(path, &Verify::default())
            .unwrap_err()
            .to_string()
    };
    assert!(error(folder.path()).contains("it has no safetensors file"));
    assert!(error(&folder.path().join("none")).starts_with("cannot read "));
    let path = folder.path().join("w.safetensors");
    plan.fill_file(&path, &FillOptions::default()).unwrap();
    let good = std::fs::read(&path).unwrap();
    for bad in [
        Vec::new(),
        b"12345678".to_vec(),
        good[..good.len() - 1].to_vec(),
        [&good[..], b"x"].concat(),
        [&u64::MAX.to_le_bytes()[..], &good[8..]].concat(),
        [&8u64.to_le_bytes()[..], &good[8..]].concat(),
    ] {
        std::fs::write(&path, &bad).unwrap();
        assert!(
            error(&path).contains("it is no safetensors file, or cut off"),
            "{}",
            error(&path)
        );
    }
}
