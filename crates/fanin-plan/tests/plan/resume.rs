//! Runs that are killed, that meet each other, and that the system stops: the name asked for shows the
//! old file or the new one, and the next run goes on where the last one ended.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fanin::{DType, Seed};
use fanin_network::Role;
use fanin_plan::{FillOptions, Filled, Plan, Request, Verify};

use crate::fill::replace;
use crate::networks::{self, layout, purpose, relu};

/// Of 29 MB in 30 tensors; one is orthogonal, whose blocks are made one after the other.
fn plan(seed: u64) -> Plan {
    let mut graph = networks::Graph::new("killed");
    for k in 0..28 {
        graph.parameter(
            &format!("layers.{k}"),
            &[500 + k, 1000],
            layout("oi"),
            purpose(Role::Weight, relu()),
        );
    }
    graph.parameter(
        "square",
        &[800, 800],
        layout("oi"),
        purpose(Role::Weight, relu()),
    );
    graph.parameter("bias", &[77], layout("o"), purpose(Role::Bias, relu()));
    let rules = "[[rule]]\nmatch = \"square\"\ninitializer = \"orthogonal\"\n";
    let request = Request {
        rules: fanin_plan::Rules::parse(rules).unwrap(),
        dtype: Some(DType::BF16),
        ..Request::new(Seed::new(seed))
    };
    fanin_plan::plan(&graph.network, &request).unwrap().plan
}

/// What a child does, and how long it takes for a block besides.
#[derive(Clone, Copy)]
struct Work {
    seed: u64,
    max_shard_bytes: Option<u64>,
    pause_ms: u64,
}

fn fill(folder: &Path, work: Work) -> Result<Filled, fanin_plan::PlanError> {
    let options = FillOptions {
        max_shard_bytes: work.max_shard_bytes,
        progress: Some(Box::new(move |_, _| {
            std::thread::sleep(Duration::from_millis(work.pause_ms));
        })),
        ..replace()
    };
    plan(work.seed).fill_file(&folder.join("w.safetensors"), &options)
}

/// The body of the processes that the tests start; without their variables it does nothing.
#[test]
#[ignore = "a process that the tests of this file start"]
fn child() {
    let Ok(folder) = std::env::var("FANIN_TEST_FOLDER") else {
        return;
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let work = Work {
        seed: number("FANIN_TEST_SEED").unwrap(),
        max_shard_bytes: number("FANIN_TEST_SHARD"),
        pause_ms: number("FANIN_TEST_PAUSE").unwrap(),
    };
    let said = match fill(Path::new(&folder), work) {
        Ok(filled) => format!("found {}", filled.found),
        Err(error) => error.to_string(),
    };
    std::fs::write(Path::new(&folder).with_extension("said"), said).unwrap();
}

fn command(program: &mut Command, folder: &Path, work: Work) -> Child {
    program
        .env("FANIN_TEST_FOLDER", folder)
        .env("FANIN_TEST_SEED", work.seed.to_string())
        .env("FANIN_TEST_PAUSE", work.pause_ms.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(bytes) = work.max_shard_bytes {
        program.env("FANIN_TEST_SHARD", bytes.to_string());
    }
    program.spawn().unwrap()
}

const CHILD: [&str; 4] = ["--exact", "resume::child", "--ignored", "--test-threads=1"];

fn start(folder: &Path, work: Work) -> Child {
    command(
        Command::new(std::env::current_exe().unwrap()).args(CHILD),
        folder,
        work,
    )
}

/// What a child said at its end.
fn said(folder: &Path) -> String {
    std::fs::read_to_string(folder.with_extension("said")).unwrap_or_default()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A number below `below`, from a number.
fn scatter(k: u64, below: u64) -> u64 {
    let mut x = (k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    (x.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) % below
}

/// Kills a run so many times at random moments, of one file and of shards by turns; in between the files
/// that have a name must be whole, and the runs after a kill must go on. Says what happened.
fn kill(times: u64) -> String {
    let home = tempfile::tempdir().unwrap();
    let target = |folder: &Path| folder.join("w.safetensors");
    // The right files, and how long a run takes.
    let mut right = Vec::new();
    let mut lasts = Vec::new();
    for (k, max_shard_bytes) in [None, Some(8_000_000)].into_iter().enumerate() {
        let folder = home.path().join(format!("right{k}"));
        std::fs::create_dir(&folder).unwrap();
        let begin = Instant::now();
        let work = Work {
            seed: 1,
            max_shard_bytes,
            pause_ms: 2,
        };
        start(&folder, work).wait().unwrap();
        lasts.push(begin.elapsed().as_millis() as u64);
        assert_eq!(said(&folder), "found 0");
        let files: Vec<(String, Vec<u8>)> = names(&folder)
            .into_iter()
            .map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap()))
            .collect();
        assert_eq!(files.len(), if max_shard_bytes.is_some() { 6 } else { 1 });
        right.push(files);
    }
    let (mut killed, mut resumed, mut seen_old, mut round) = (0, 0, 0, 0);
    while killed < times {
        let k = (round % 2) as usize;
        let max_shard_bytes = [None, Some(8_000_000)][k];
        let folder = home.path().join(format!("round{round}"));
        std::fs::create_dir(&folder).unwrap();
        // Every other time there is an older file of the same name, which must stay until it is replaced.
        let old = round % 4 < 2;
        if old {
            for (name, _) in &right[k] {
                std::fs::write(folder.join(name), "old").unwrap();
            }
        }
        let work = Work {
            seed: 1,
            max_shard_bytes,
            pause_ms: 2,
        };
        let finished = loop {
            let mut child = start(&folder, work);
            let moment = scatter(killed + 1000 * round, lasts[k] * 11 / 10 + 1);
            std::thread::sleep(Duration::from_millis(moment));
            if killed == times || child.try_wait().unwrap().is_some() {
                child.wait().unwrap();
                break said(&folder);
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            for (name, bytes) in &right[k] {
                match std::fs::read(folder.join(name)) {
                    Ok(present) if present == *bytes => {}
                    Ok(present) => {
                        assert!(
                            old && present == b"old",
                            "{name} is broken after kill {killed}"
                        );
                        seen_old += 1;
                    }
                    Err(_) => assert!(!old || name.ends_with(".json"), "{name} is gone"),
                }
            }
            // Where there is an index, there are its shards.
            let index = folder.join("w.safetensors.index.json");
            if std::fs::read(&index).is_ok_and(|present| present != b"old") {
                let difference = plan(1)
                    .verify(&index, &Verify::default())
                    .unwrap()
                    .difference;
                assert_eq!(difference, None);
            }
        };
        resumed += u64::from(!finished.ends_with(" 0"));
        assert!(finished.starts_with("found "), "{finished}");
        let files: Vec<String> = right[k].iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names(&folder), files, "something is left over");
        for (name, bytes) in &right[k] {
            assert!(
                std::fs::read(folder.join(name)).unwrap() == *bytes,
                "{name} is wrong"
            );
        }
        assert!(target(&folder).exists() || k == 1);
        std::fs::remove_dir_all(&folder).unwrap();
        round += 1;
    }
    assert!(resumed > 0, "no run went on where another one ended");
    format!(
        "{killed} kills, {round} files or sets completed, {resumed} of them resumed, {seen_old} times an old file was whole"
    )
}

#[test]
fn a_killed_run_is_taken_up() {
    println!("{}", kill(12));
}

#[test]
#[ignore = "takes half a minute; run it after changes to partial.rs"]
fn a_killed_run_is_taken_up_a_hundred_times() {
    println!("{}", kill(100));
}

/// The file that a run has in the works when `blocks` are finished, and its folder.
fn stopped(plan: &Plan, blocks: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let partial = folder.path().join(".w.safetensors.fanin-partial");
    let copy = folder.path().join("copy");
    let (from, to) = (partial.clone(), copy.clone());
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let options = FillOptions {
        progress: Some(Box::new(move |_, _| {
            let seen = seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            if seen == blocks {
                std::fs::copy(&from, &to).unwrap();
            }
        })),
        ..FillOptions::default()
    };
    let path = folder.path().join("w.safetensors");
    plan.fill_file(&path, &options).unwrap();
    std::fs::rename(path, folder.path().join("right")).unwrap();
    std::fs::rename(copy, &partial).unwrap();
    (folder, partial)
}

/// Fills and compares with the right file; gives the bytes that were found.
fn go_on(plan: &Plan, folder: &Path) -> u64 {
    let path = folder.join("w.safetensors");
    let filled = plan.fill_file(&path, &FillOptions::default()).unwrap();
    assert!(std::fs::read(&path).unwrap() == std::fs::read(folder.join("right")).unwrap());
    assert!(!folder.join(".w.safetensors.fanin-partial").exists());
    std::fs::remove_file(path).unwrap();
    filled.found
}

#[test]
fn finished_blocks_are_recognized() {
    let plan = plan(1);
    let bytes = plan.bytes().unwrap();
    let (folder, partial) = stopped(&plan, 10);
    let good = std::fs::read(&partial).unwrap();
    let found = go_on(&plan, folder.path());
    assert!(found > bytes / 10 && found < bytes, "{found}");

    // Blocks that the disk lost, or damaged, are made again: these are all large ones.
    let begin = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let mut damaged = good.clone();
    for at in (begin + 5..begin + bytes as usize).step_by(900_000) {
        damaged[at] ^= 1;
    }
    std::fs::write(&partial, &damaged).unwrap();
    let less = go_on(&plan, folder.path());
    assert!(less < found / 10, "{less} of {found}");

    // A trailer that is lost counts nothing; one that is garbage is believed in nothing.
    let mut damaged = good.clone();
    let trailer = begin + bytes as usize + 32;
    damaged[trailer..].fill(0);
    std::fs::write(&partial, &damaged).unwrap();
    assert_eq!(go_on(&plan, folder.path()), 0);
    damaged[trailer..].fill(0xa5);
    std::fs::write(&partial, &damaged).unwrap();
    assert_eq!(go_on(&plan, folder.path()), 0);

    // Cut off, of another version, empty, or anything.
    for other in [
        good[..good.len() - 8].to_vec(),
        good[..begin / 2].to_vec(),
        {
            let mut other = good.clone();
            other[begin + bytes as usize] ^= 1;
            other
        },
        Vec::new(),
        b"my notes".repeat(1000),
    ] {
        std::fs::write(&partial, &other).unwrap();
        assert_eq!(go_on(&plan, folder.path()), 0);
    }

    // Complete, but killed before it got its name.
    std::fs::copy(folder.path().join("right"), &partial).unwrap();
    let whole = std::fs::metadata(&partial).unwrap().len();
    assert_eq!(go_on(&plan, folder.path()), whole);
}

#[test]
fn the_partial_file_of_another_plan_is_not_used() {
    let (folder, partial) = stopped(&plan(1), 10);
    let other = plan(2);
    let path = folder.path().join("w.safetensors");
    let good = std::fs::read(&partial).unwrap();
    assert_eq!(
        other
            .fill_file(&path, &FillOptions::default())
            .unwrap()
            .found,
        0
    );
    assert_eq!(
        other.verify(&path, &Verify::default()).unwrap().difference,
        None
    );
    // Nor that of another part of the same plan.
    std::fs::write(&partial, good).unwrap();
    let mut options = replace();
    options.slices.add("layers.0", "0:7").unwrap();
    assert_eq!(plan(1).fill_file(&path, &options).unwrap().found, 0);
    assert_eq!(
        plan(1)
            .verify(&path, &Verify::default())
            .unwrap()
            .difference,
        None
    );
}

#[cfg(unix)]
#[test]
fn links_under_the_partial_name_are_not_written_through() {
    let (folder, partial) = stopped(&plan(1), 10);
    // A second name of the partial file.
    let second = folder.path().join("second");
    std::fs::hard_link(&partial, &second).unwrap();
    let before = std::fs::read(&second).unwrap();
    assert_eq!(go_on(&plan(1), folder.path()), 0);
    assert!(std::fs::read(&second).unwrap() == before);
    // A link to somewhere else.
    std::os::unix::fs::symlink(&second, &partial).unwrap();
    let path = folder.path().join("w.safetensors");
    let refusal = || {
        let error = plan(1).fill_file(&path, &FillOptions::default());
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("is in the way, which is no file; remove it"),
            "{error}"
        );
    };
    refusal();
    assert!(std::fs::read(&second).unwrap() == before);
    assert!(!path.exists());
    // A folder.
    std::fs::remove_file(&partial).unwrap();
    std::fs::create_dir(&partial).unwrap();
    refusal();
    assert!(partial.is_dir());
}

#[test]
fn a_file_that_is_being_written_is_refused_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let again = path.clone();
    let options = FillOptions {
        progress: Some(Box::new(move |_, _| {
            for seed in [1, 2] {
                let error = plan(seed)
                    .fill_file(&again, &replace())
                    .unwrap_err()
                    .to_string();
                assert!(
                    error.contains("another process is writing it now"),
                    "{error}"
                );
            }
        })),
        ..FillOptions::default()
    };
    plan(1).fill_file(&path, &options).unwrap();
    assert_eq!(
        plan(1)
            .verify(&path, &Verify::default())
            .unwrap()
            .difference,
        None
    );
    assert_eq!(names(folder.path()), ["w.safetensors"]);
}

/// Processes that start together and again and again: one writes at a time, and what has the name is
/// whole whenever anyone looks.
#[test]
fn processes_at_once_do_not_spoil_each_other() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("common");
    std::fs::create_dir(&folder).unwrap();
    let work = |k: u64| Work {
        seed: 1 + k % 2,
        max_shard_bytes: None,
        pause_ms: 0,
    };
    let path = folder.join("w.safetensors");
    let right = [1, 2].map(|seed| {
        plan(seed).fill_file(&path, &replace()).unwrap();
        std::fs::read(&path).unwrap()
    });
    std::fs::remove_file(&path).unwrap();
    let mut children: Vec<Child> = (0..3).map(|k| start(&folder, work(k))).collect();
    let mut started = 3;
    while !children.is_empty() {
        children.retain_mut(|child| child.try_wait().unwrap().is_none());
        if let Ok(present) = std::fs::read(&path) {
            assert!(right.contains(&present));
        }
        while children.len() < 3 && started < 10 {
            children.push(start(&folder, work(started)));
            started += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(names(&folder), ["w.safetensors"]);
}

/// The system lets a process write no more than so many bytes to a file: an error in the middle of
/// writing, as a full disk is.
#[cfg(unix)]
#[test]
fn a_file_that_the_system_does_not_take_gets_a_sentence() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("limited");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("w.safetensors"), "old").unwrap();
    let mut shell = Command::new("sh");
    // Without the trap the signal would end the process.
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(CHILD);
    let work = Work {
        seed: 1,
        max_shard_bytes: None,
        pause_ms: 0,
    };
    command(&mut shell, &folder, work).wait().unwrap();
    let said = said(&folder);
    assert!(
        said.contains("cannot write") && said.contains("larger than the system allows"),
        "{said}"
    );
    assert_eq!(names(&folder), ["w.safetensors"]);
    assert_eq!(std::fs::read(folder.join("w.safetensors")).unwrap(), b"old");
}

/// Set `FANIN_TEST_SMALL_DISK` to a folder on a disk of its own with 40 MB, for example
/// `unshare -rm sh -c 'mount -t tmpfs -o size=40m tmpfs DIR && FANIN_TEST_SMALL_DISK=DIR cargo test …'`.
#[test]
#[ignore = "needs a small disk"]
fn a_full_disk_gets_a_sentence() {
    let disk = PathBuf::from(std::env::var("FANIN_TEST_SMALL_DISK").unwrap());
    let path = disk.join("w.safetensors");
    std::fs::write(&path, "old").unwrap();
    // Someone else fills the disk while the blocks are written.
    let other = disk.join("other");
    let options = FillOptions {
        progress: Some(Box::new(move |_, _| {
            let _ = std::fs::write(&other, vec![1u8; 40_000_000]);
        })),
        ..replace()
    };
    let error = plan(1).fill_file(&path, &options).unwrap_err().to_string();
    assert!(error.contains("the disk is full; make room"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(names(&disk), ["other", "w.safetensors"]);
    // It is full from the start.
    let error = plan(1)
        .fill_file(&path, &replace())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the disk has") && error.contains("left; make room"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    std::fs::remove_file(disk.join("other")).unwrap();
    plan(1).fill_file(&path, &replace()).unwrap();
    assert_eq!(
        plan(1)
            .verify(&path, &Verify::default())
            .unwrap()
            .difference,
        None
    );
}

/// No user, root included, makes files there.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_files_gets_a_sentence() {
    let error = plan(1)
        .fill_file(Path::new("/sys/w.safetensors"), &FillOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot write /sys/w.safetensors: the "),
        "{error}"
    );
    assert!(error.contains("choose another place"), "{error}");
}
