//! The command as a user meets it: what it prints, what it writes, how it ends.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

const CHAIN: &str = "mlp(64, 128x12, 10, relu)";

fn fanin(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("fanin").unwrap();
    command.args(arguments);
    command
}

/// Standard output of a command that must end with this status.
#[track_caller]
fn output(arguments: &[&str], status: i32) -> String {
    let output = fanin(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(arguments: &[&str], status: i32) -> Value {
    let arguments = [arguments, &["--format", "json"]].concat();
    serde_json::from_str(&output(&arguments, status)).unwrap()
}

#[test]
fn init_writes_plan_weights_and_page() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = fanin(&["init", CHAIN]);
        command.current_dir(folder.path());
        command
    };
    let first = run().output().unwrap();
    assert!(first.status.success(), "{first:?}");
    let text = String::from_utf8(first.stdout).unwrap();
    assert!(text.ends_with("verdict: healthy\n"), "{text}");
    let out = folder.path().join("network.fanin");
    let mut files: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["plan.toml", "report.html", "weights.safetensors"]);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for far in ["http://", "https://", "src=", "@import", "url("] {
        let found = page.match_indices(far).find(|(at, _)| {
            !page[*at..].starts_with("http://www.w3.org/") // names of the SVG language, not addresses
        });
        assert_eq!(found, None, "the page reaches out");
    }

    // The same again is the same; another seed is refused until asked for.
    let weights = std::fs::read(out.join("weights.safetensors")).unwrap();
    assert!(run().output().unwrap().status.success());
    assert!(weights == std::fs::read(out.join("weights.safetensors")).unwrap());
    let other = run().args(["--seed", "1"]).output().unwrap();
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("--force"));
    assert!(weights == std::fs::read(out.join("weights.safetensors")).unwrap());
    assert!(
        run()
            .args(["--seed", "1", "--force"])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(weights != std::fs::read(out.join("weights.safetensors")).unwrap());
}

#[test]
fn a_faulty_start_ends_with_one_and_names_the_layers() {
    let text = output(
        &["check", "mlp(64, 128x30, 10, relu)", "--recipe", "torch"],
        1,
    );
    assert!(text.contains("error[F"), "{text}");
    assert!(text.contains("verdict: faulty"), "{text}");
    // The report fits a terminal of 100 columns and stays plain where it is no terminal.
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn fix_mends_it_and_writes_what_it_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixed.safetensors");
    let file = file.to_str().unwrap();
    let model = "mlp(64, 128x30, 10, relu)";
    let text = output(
        &[
            "check", model, "--recipe", "torch", "--fix", "--output", file,
        ],
        0,
    );
    assert!(text.contains("verdict: faulty"), "before: {text}");
    assert!(text.contains("verdict: healthy"), "after: {text}");
    // Each change with what it is to: weights get He, biases zeros.
    for line in [
        "       layers.0.weight = kaiming_normal(mode=fan_in, gain=1.4142135623730951), the same for 29 more",
        "  zeros: layers.",
        &format!("written to {file} and "),
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let again = json(&["check", model, "--weights", file], 0);
    assert_eq!(again["verdict"], "healthy");
}

/// The fields of the JSON that others may rely on.
#[test]
fn the_json_of_a_check_keeps_its_contract() {
    let report = json(
        &["check", "mlp(64, 128x30, 10, relu)", "--recipe", "torch"],
        1,
    );
    assert_eq!(report["fanin"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["model"], "mlp(64, 128x30, 10, relu)");
    assert_eq!(report["seed"], 0);
    assert_eq!(report["verdict"], "faulty");
    let finding = &report["findings"][0];
    assert!(finding["code"].as_str().unwrap().starts_with('F'));
    assert!(["error", "warning", "note"].contains(&finding["severity"].as_str().unwrap()));
    for text in ["node", "parameter", "message"] {
        assert!(finding[text].is_string(), "{text}: {finding}");
    }
    for number in ["measured", "expected"] {
        assert!(finding["evidence"][number].is_number(), "{finding}");
    }
    assert_eq!(finding["evidence"]["band"].as_array().unwrap().len(), 2);
    for text in ["parameter", "initializer", "why"] {
        assert!(finding["fix"][text].is_string(), "{text}: {finding}");
    }
    let relu = report["values"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["op"] == "Relu")
        .unwrap();
    assert!(relu["node"].is_string() && relu["value"].is_string());
    for number in [
        "mean",
        "rms",
        "zero_fraction",
        "sample_cosine",
        "predicted_rms",
    ] {
        assert!(relu["forward"][number].is_number(), "{number}: {relu}");
    }
    for number in ["rms", "predicted_rms"] {
        assert!(relu["backward"][number].is_number(), "{number}: {relu}");
    }
    assert_eq!(relu["forward"]["band"].as_array().unwrap().len(), 2);
    let parameter = &report["parameters"][0];
    assert!(parameter["name"].is_string() && parameter["shape"].is_array());
    assert!(parameter["initializer"].is_string());
    assert!(parameter["rms"].is_number() && parameter["gradient_rms"].is_number());
    assert!(report["output"]["rms"].is_number());
    assert!(report["output"]["initial_loss"].is_number());
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let report = |seed| {
        output(
            &["check", CHAIN, "--recipe", "auto", "--seed", seed, "-q"],
            0,
        )
    };
    assert_eq!(report("7"), report("7"));
    assert_ne!(report("7"), report("8"));
}

#[test]
fn a_plan_is_a_text_that_fills() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (plan, whole) = (at("plan.toml"), at("whole.safetensors"));
    output(&["plan", CHAIN, "--seed", "3", "-o", &plan], 0);
    let text = std::fs::read_to_string(&plan).unwrap();
    for word in [
        "format",
        "philox4x32-10/v1",
        "kaiming_normal",
        "He et al. 2015",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    output(&["fill", &plan, "-o", &whole], 0);
    // A file that holds the same is left alone, one that holds something else is not replaced unasked.
    output(&["fill", &plan, "-o", &whole], 0);
    let other = at("other.toml");
    output(&["plan", CHAIN, "--seed", "4", "-o", &other], 0);
    output(&["fill", &other, "-o", &whole], 2);
    output(&["fill", &other, "-o", &whole, "--force"], 0);
    output(&["fill", &plan, "-o", &whole, "--force"], 0);
    let checked = json(&["check", CHAIN, "--weights", &whole], 0);
    assert_eq!(checked["verdict"], "healthy");
    let from_plan = json(&["check", CHAIN, "--plan", &plan, "--seed", "3"], 0);
    assert_eq!(from_plan["seed"], 3);
}

#[test]
fn rules_win_over_the_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.toml");
    std::fs::write(
        &rules,
        "[[rule]]\nmatch = \"layers.0.*\"\nrole = \"weight\"\ninitializer = \"orthogonal(gain=1.5)\"\nreason = \"an experiment\"\n",
    )
    .unwrap();
    let text = output(&["plan", CHAIN, "--rules", rules.to_str().unwrap()], 0);
    assert!(text.contains("orthogonal(gain=1.5)"), "{text}");
    assert!(text.contains("an experiment"), "{text}");
    let text = output(&["check", CHAIN, "--rules", rules.to_str().unwrap()], 0);
    assert!(
        text.contains("recipe auto but for 1 by your rules"),
        "{text}"
    );
}

#[test]
fn everything_explains_itself() {
    let list = output(&["explain"], 0);
    assert!(list.lines().all(|line| line.chars().count() <= 100));
    for name in [
        "kaiming_normal",
        "orthogonal",
        "gelu",
        "F101",
        "F301",
        "torch",
        "mlp",
    ] {
        assert!(list.contains(name), "{name}: {list}");
        let page = output(&["explain", name], 0);
        assert!(page.lines().count() > 3, "{name}: {page}");
        for line in page.lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
    }
    let he = output(&["explain", "he_normal"], 0);
    assert!(he.contains("kaiming_normal") && he.contains("He"), "{he}");
    let gelu = output(&["explain", "gelu"], 0);
    assert!(gelu.contains("1.5335"), "{gelu}");
    // An initializer and an activation have this name: both are told.
    let both = output(&["explain", "identity"], 0);
    assert!(both.contains("Recurrent weights"), "{both}");
    assert!(both.contains("\nidentity, the activation\n"), "{both}");
    assert!(both.contains("E[f^2]"), "{both}");
    let both = output(&["explain", "identity", "--format", "json"], 0);
    let both: serde_json::Value = serde_json::from_str(&both).unwrap();
    assert_eq!(both["name"], "identity");
    assert_eq!(both["also"][0]["activation"], "identity");
    let mistyped = fanin(&["explain", "kaimng_normal"]).output().unwrap();
    assert_eq!(mistyped.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&mistyped.stderr).contains("kaiming_normal"));
}

#[test]
fn a_page_without_a_folder_is_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("none").join("page.html");
    let page = page.to_str().unwrap();
    for arguments in [
        ["check", CHAIN, "--html", page],
        ["compare", CHAIN, "--html", page],
    ] {
        let output = fanin(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("there is no folder"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn help_and_completions_are_there() {
    for command in [
        "init",
        "plan",
        "fill",
        "check",
        "explain",
        "strip",
        "completions",
    ] {
        let help = output(&[command, "--help"], 0);
        assert!(help.contains("Usage:"), "{help}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(output(&["completions", shell], 0).contains("fanin"));
    }
    assert!(output(&["--version"], 0).contains(env!("CARGO_PKG_VERSION")));
    output(&["--nonsense"], 2);
}

#[test]
fn colours_only_where_wanted() {
    let coloured = fanin(&["check", CHAIN])
        .env("CLICOLOR_FORCE", "1")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    assert!(coloured.stdout.contains(&0x1b));
    let plain = fanin(&["check", CHAIN])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(!plain.stdout.contains(&0x1b));
}

#[test]
fn quiet_leaves_standard_error_empty() {
    let quiet = fanin(&["check", CHAIN, "-q"]).output().unwrap();
    assert!(quiet.stderr.is_empty());
}

#[test]
fn stripping_takes_the_weights_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/lstm.onnx");
    let model = model.to_str().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // With weights inside, and stripped again: the same as the file in the repository.
    let out = at("out");
    output(&["init", model, "--onnx", "-o", &out], 0);
    let filled = format!("{out}/model.onnx");
    let stripped = at("stripped.onnx");
    output(&["strip", &filled, "-o", &stripped], 0);
    let size = |path: &str| std::fs::metadata(path).unwrap().len();
    // 16,202 elements of four bytes: two layers of 128 × (24 or 32, + 32) with two biases, and a head.
    assert!(size(&filled) > size(&stripped) + 4 * 15_000);
    let plan = |path: &str| json(&["plan", path], 0)["parameters"].clone();
    assert_eq!(plan(&stripped), plan(model));
    let healthy = json(&["check", &filled], 0);
    assert_eq!(healthy["verdict"], "healthy");
}

/// `docs/operators.md` is what `fanin explain operators` prints.
#[test]
fn the_page_of_operators_is_what_the_table_says() {
    let printed = output(&["explain", "operators"], 0);
    let page = include_str!("../../../docs/operators.md");
    let differs = printed
        .lines()
        .zip(page.lines())
        .find(|(printed, page)| printed != page);
    assert!(
        printed == page,
        "run `fanin explain operators > docs/operators.md`; the first line that differs: {differs:?}"
    );
    let table = json(&["explain", "operators"], 0);
    let rows = table["operators"].as_array().unwrap();
    assert_eq!(
        rows.len(),
        page.lines().filter(|line| line.starts_with("| `")).count()
    );
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(row("Conv")["parameters"][0]["holds"], "weight");
    assert_eq!(row("Conv")["gradient"], true);
    assert_eq!(row("Shape")["gradient"], false);
    assert_eq!(row("Shape")["folds"], true);
}
