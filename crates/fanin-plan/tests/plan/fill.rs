//! Filling: the same bits in memory, in a file and in shards; nothing half done under the name asked for.

use crate::networks;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use crate::networks::{layout, purpose, relu};
use fanin::{DType, F8E4M3, F8E5M2, Seed};
use fanin_network::{Feeds, HostData, Network, Role};
use fanin_plan::{FillOptions, Plan, Recipe, Request, Rules, shard_path};
use half::{bf16, f16};
use safetensors::SafeTensors;

/// Tensors of more than one block, of none, and of odd sizes.
fn network() -> Network {
    let mut graph = networks::Graph::new("sizes");
    graph.parameter(
        "large",
        &[700, 1100],
        layout("oi"),
        purpose(Role::Weight, relu()),
    );
    graph.parameter(
        "empty",
        &[0, 3],
        layout("oi"),
        purpose(Role::Weight, relu()),
    );
    // Orthogonal, and longer than a block.
    graph.parameter(
        "odd square",
        &[730, 730],
        layout("oi"),
        purpose(Role::Weight, relu()),
    );
    graph.parameter(
        "odd",
        &[7, 3, 3],
        layout("oif"),
        purpose(Role::Weight, Feeds::Linear),
    );
    graph.parameter("bias", &[13], layout("o"), purpose(Role::Bias, relu()));
    graph.parameter(
        "table",
        &[97, 31],
        layout("lo"),
        purpose(Role::Embedding, Feeds::Linear),
    );
    graph.parameter(
        "scalar",
        &[],
        layout(""),
        purpose(Role::BranchScale, Feeds::Linear),
    );
    graph.network
}

fn plan(dtype: Option<DType>) -> Plan {
    let rules = "[[rule]]\nmatch = \"odd*\"\ninitializer = \"orthogonal\"\n";
    let request = Request {
        rules: Rules::parse(rules).unwrap(),
        dtype,
        ..Request::new(Seed::new(7))
    };
    fanin_plan::plan(&network(), &request).unwrap().plan
}

/// The tensors of a file: format, shape, bytes.
fn read(path: &Path) -> BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            (
                name,
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect()
}

fn bytes_of(data: &HostData, dtype: DType) -> Vec<u8> {
    match (data, dtype) {
        (HostData::F64(v), DType::F64) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        (HostData::F32(v), DType::F32) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        (HostData::F32(v), DType::F16) => v
            .iter()
            .flat_map(|&x| f16::from_f32(x).to_le_bytes())
            .collect(),
        (HostData::F32(v), DType::BF16) => v
            .iter()
            .flat_map(|&x| bf16::from_f32(x).to_le_bytes())
            .collect(),
        (HostData::F32(v), DType::F8E4M3) => {
            v.iter().map(|&x| F8E4M3::from_f32(x).to_bits()).collect()
        }
        (HostData::F32(v), DType::F8E5M2) => {
            v.iter().map(|&x| F8E5M2::from_f32(x).to_bits()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_file_holds_what_memory_holds_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    for dtype in DType::ALL {
        let plan = plan(Some(dtype));
        let filled = plan.fill_file(&path, &FillOptions::default()).unwrap();
        assert_eq!(filled.path, path);
        assert_eq!(filled.tensors, 7);
        assert_eq!(filled.bytes, std::fs::metadata(&path).unwrap().len());
        let file = read(&path);
        let weights = plan.fill_weights().unwrap();
        assert_eq!(file.len(), weights.tensors.len());
        for (name, (_, shape, bytes)) in &file {
            let tensor = weights.get(name).unwrap();
            assert_eq!(shape, &tensor.shape, "{name}");
            assert_eq!(bytes, &bytes_of(&tensor.data, dtype), "{name} as {dtype}");
        }
    }
}

#[test]
fn half_formats_are_the_rounded_f32() {
    let full = plan(Some(DType::F32)).fill_weights().unwrap();
    let half = plan(Some(DType::BF16)).fill_weights().unwrap();
    for (name, tensor) in &full.tensors {
        let rounded: Vec<f32> = tensor
            .data_f32()
            .iter()
            .map(|&x| bf16::from_f32(x).to_f32())
            .collect();
        assert_eq!(half.get(name).unwrap().data_f32(), rounded, "{name}");
    }
}

trait DataF32 {
    fn data_f32(&self) -> Vec<f32>;
}

impl DataF32 for fanin_network::HostTensor {
    fn data_f32(&self) -> Vec<f32> {
        self.to_f32()
    }
}

#[test]
fn mixed_formats_are_aligned_and_read_by_the_crate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let mut plan = plan(None);
    for (entry, dtype) in plan.entries.iter_mut().zip([
        DType::F16,
        DType::F32,
        DType::BF16,
        DType::F64,
        DType::F32,
        DType::F64,
        DType::F16,
    ]) {
        entry.dtype = dtype;
    }
    plan.fill_file(&path, &FillOptions::default()).unwrap();
    let weights = plan.fill_weights().unwrap();
    let file = read(&path);
    for entry in &plan.entries {
        let (_, _, bytes) = &file[&entry.name];
        assert_eq!(
            bytes,
            &bytes_of(&weights.get(&entry.name).unwrap().data, entry.dtype),
            "{}",
            entry.name
        );
    }
}

#[test]
fn shards_together_hold_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let plan = plan(None);
    plan.fill_file(&path, &FillOptions::default()).unwrap();
    let whole = read(&path);
    for n in [1, 2, 3, 7] {
        let mut together = BTreeMap::new();
        for i in 1..=n {
            let options = FillOptions {
                shard: Some((i, n)),
                progress: None,
            };
            let filled = plan.fill_file(&path, &options).unwrap();
            assert_eq!(filled.path, shard_path(&path, i, n));
            let part = read(&filled.path);
            assert!(!part.is_empty(), "shard {i} of {n} is empty");
            for (name, tensor) in part {
                assert!(together.insert(name, tensor).is_none());
            }
        }
        assert_eq!(together, whole, "{n} shards");
        let index =
            std::fs::read_to_string(folder.path().join("model.safetensors.index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_str(&index).unwrap();
        for (name, file) in index["weight_map"].as_object().unwrap() {
            let part = read(&folder.path().join(file.as_str().unwrap()));
            assert!(part.contains_key(name));
        }
        assert_eq!(index["weight_map"].as_object().unwrap().len(), whole.len());
    }
    assert_eq!(
        shard_path(Path::new("out/model.safetensors"), 2, 4),
        Path::new("out/model-00002-of-00004.safetensors")
    );
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(None);
    let files: Vec<Vec<u8>> = [1, 2, 5]
        .into_iter()
        .map(|threads| {
            let path = folder.path().join(format!("{threads}.safetensors"));
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| plan.fill_file(&path, &FillOptions::default()))
                .unwrap();
            std::fs::read(path).unwrap()
        })
        .collect();
    assert!(files[0] == files[1] && files[0] == files[2]);
}

#[test]
fn progress_reaches_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(None);
    let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
    let note = std::sync::Arc::clone(&seen);
    let options = FillOptions {
        shard: None,
        progress: Some(Box::new(move |done, total| {
            note.lock().unwrap().push((done, total))
        })),
    };
    plan.fill_file(&folder.path().join("w.safetensors"), &options)
        .unwrap();
    let seen = seen.lock().unwrap();
    let total = plan.bytes().unwrap();
    assert!(seen.len() > 4, "{seen:?}");
    assert_eq!(seen.iter().map(|(done, _)| *done).max(), Some(total));
    assert!(seen.iter().all(|(_, of)| *of == total));
}

#[test]
fn metadata_tells_where_the_bits_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let plan = plan(None);
    plan.fill_file(&path, &FillOptions::default()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!(metadata["format"], "pt");
    assert_eq!(metadata["fanin.seed"], "7");
    assert_eq!(metadata["fanin.stream"], "philox4x32-10/v1");
    assert_eq!(metadata["fanin.plan"], format!("sha256:{}", plan.digest()));
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(None);
    let error = |path: &Path| {
        plan.fill_file(path, &FillOptions::default())
            .unwrap_err()
            .to_string()
    };
    let missing = folder.path().join("missing/w.safetensors");
    assert!(
        error(&missing).contains("there is no folder"),
        "{}",
        error(&missing)
    );
    assert!(error(folder.path()).contains("that is a folder"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    for shard in [(0, 2), (3, 2), (1, 8)] {
        let options = FillOptions {
            shard: Some(shard),
            progress: None,
        };
        let path = folder.path().join("w.safetensors");
        let error = plan.fill_file(&path, &options).unwrap_err().to_string();
        assert!(error.contains("shard"), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// While blocks are being written the name asked for shows the old file; a failure in the middle
/// leaves it and removes the unfinished one.
#[test]
fn an_interrupted_run_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    std::fs::write(&path, "old").unwrap();
    let plan = plan(None);
    let watched = path.clone();
    let parent = folder.path().to_owned();
    let options = FillOptions {
        shard: None,
        progress: Some(Box::new(move |_, _| {
            assert_eq!(std::fs::read(&watched).unwrap(), b"old");
            let names: Vec<String> = std::fs::read_dir(&parent)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            assert!(
                names
                    .iter()
                    .any(|name| name.starts_with(".fanin-") && name.ends_with(".part")),
                "{names:?}"
            );
            panic!("killed");
        })),
    };
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        plan.fill_file(&path, &options)
    }));
    let message = *run.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(message, "killed");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    plan.fill_file(&path, &FillOptions::default()).unwrap();
    assert_eq!(read(&path).len(), 7);
}

#[cfg(unix)]
#[test]
fn the_file_gets_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, "").unwrap();
    let path = folder.path().join("w.safetensors");
    plan(None)
        .fill_file(&path, &FillOptions::default())
        .unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&other));
}

#[test]
fn a_name_that_safetensors_keeps_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(None);
    plan.entries[0].name = "__metadata__".to_owned();
    let error = plan
        .fill_file(
            &folder.path().join("w.safetensors"),
            &FillOptions::default(),
        )
        .unwrap_err()
        .to_string();
    assert!(error.contains("rename it in the model"), "{error}");
}

#[test]
fn a_plan_fits_only_its_network() {
    let plan = networks::plan(&network(), Recipe::Auto);
    plan.matches(&network()).unwrap();
    let mut other = network();
    other.parameters[3].shape = vec![7, 3, 4];
    let error = plan.matches(&other).unwrap_err().to_string();
    assert!(
        error.contains("`odd`") && error.contains("[7, 3, 4]"),
        "{error}"
    );
    other.parameters.remove(3);
    let error = plan.matches(&other).unwrap_err().to_string();
    assert!(
        error.contains("`odd`, which is no parameter of this network"),
        "{error}"
    );
    let mut fewer = plan.clone();
    fewer.entries.remove(0);
    let error = fewer.matches(&network()).unwrap_err().to_string();
    assert!(error.contains("no entry for parameter `large`"), "{error}");
}
