//! The machine-readable forms of a check: JSON by its schema, SARIF by what 2.1.0 requires.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use assert_cmd::Command;
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../docs/checkup.schema.json");
const COMPARISON: &str = include_str!("../../../docs/comparison.schema.json");
const FADING: &str = "mlp(32, 64x30, 10, relu)";

/// Runs the command: its status and its standard output.
fn fanin(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::cargo_bin("fanin")
        .unwrap()
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

#[track_caller]
fn run(arguments: &[&str], status: i32) -> String {
    let (code, text) = fanin(arguments);
    assert_eq!(code, Some(status), "{arguments:?}: {text}");
    text
}

#[track_caller]
fn json(arguments: &[&str], status: i32) -> Value {
    let arguments = [arguments, &["--format", "json", "-q"]].concat();
    serde_json::from_str(&run(&arguments, status)).unwrap()
}

/// Whether a value is of a JSON Schema type.
fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schema uses a type that this test does not know: {other}"),
    }
}

/// Holds a value against a schema: the keywords that the schemas use, and a panic at any other, so
/// that none is passed over.
fn validate(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fail = |why: String| Err(format!("{at}: {why}: {value}"));
    for (keyword, rule) in schema.as_object().unwrap() {
        let items = value.as_array().map_or(0, |items| items.len() as u64);
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                validate(root, &root["$defs"][name], value, at)?;
            }
            "oneOf" => {
                let all = rule.as_array().unwrap().iter();
                let fits = all.filter(|s| validate(root, s, value, at).is_ok());
                let fits = fits.count();
                if fits != 1 {
                    return fail(format!("{fits} of oneOf fit"));
                }
            }
            "type" => {
                let kinds = match rule {
                    Value::Array(kinds) => kinds.clone(),
                    one => vec![one.clone()],
                };
                if !kinds.iter().any(|kind| is(kind.as_str().unwrap(), value)) {
                    return fail(format!("is no {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                return fail(format!("is none of {rule}"));
            }
            "pattern" => {
                assert_eq!(rule, "^F[1-7][0-9][0-9]$", "the one this test knows");
                let code = value.as_str().unwrap_or("").as_bytes();
                let right = code.len() == 4
                    && code[0] == b'F'
                    && (b'1'..=b'7').contains(&code[1])
                    && code[2..].iter().all(u8::is_ascii_digit);
                if !right {
                    return fail("is no code".to_owned());
                }
            }
            "minimum" if value.as_f64().is_some_and(|x| x < rule.as_f64().unwrap()) => {
                return fail(format!("is below {rule}"));
            }
            "minItems" if items < rule.as_u64().unwrap() => {
                return fail(format!("has {items} items"));
            }
            "maxItems" if items > rule.as_u64().unwrap() => {
                return fail(format!("has {items} items"));
            }
            "items" => {
                for (k, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(root, rule, item, &format!("{at}[{k}]"))?;
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    let name = name.as_str().unwrap();
                    if value.is_object() && value.get(name).is_none() {
                        return fail(format!("lacks {name}"));
                    }
                }
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(schema) => validate(root, schema, inner, &format!("{at}.{name}"))?,
                        None => return fail(format!("has an unknown field {name}")),
                    }
                }
            }
            "additionalProperties" => assert_eq!(rule, &Value::Bool(false)),
            "enum" | "minimum" | "minItems" | "maxItems" => {}
            other => panic!("the schema uses a keyword that this test does not know: {other}"),
        }
    }
    Ok(())
}

#[track_caller]
fn conforms(document: &Value) {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    validate(&schema, &schema, document, "$").unwrap();
}

#[test]
fn the_json_conforms_to_its_schema() {
    conforms(&json(&["check", FADING, "--recipe", "torch"], 1));
    let transformer = "transformer(layers=1, width=16, heads=2, vocab=20, context=8)";
    conforms(&json(&["check", transformer], 0));
}

#[test]
fn the_json_of_a_comparison_conforms_to_its_schema() {
    let schema: Value = serde_json::from_str(COMPARISON).unwrap();
    for extra in [
        &["--seeds", "2"][..],
        &["--optimizer", "adam", "--rate", "0.01"],
    ] {
        let short = [
            "compare",
            "mlp(16, 12x3, 4, relu)",
            "--recipes",
            "zeros,random,he",
        ];
        let arguments = [&short[..], &["--steps", "25"], extra].concat();
        let document = json(&arguments, 0);
        validate(&schema, &schema, &document, "$").unwrap();
        let mut spoilt = document.clone();
        spoilt["starts"][0]["verdict"]["outcome"] = "fine".into();
        assert!(validate(&schema, &schema, &spoilt, "$").is_err());
    }
}

#[test]
fn what_is_no_checkup_does_not_conform() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let sound = json(&["check", FADING, "--recipe", "torch"], 1);
    for (pointer, value) in [
        ("/verdict", Value::from("fine")),
        ("/seed", Value::from(-1)),
        ("/findings/0/code", Value::from("F1")),
        ("/findings/0/evidence/band", serde_json::json!([1.0])),
        ("/findings/0/fix", Value::from("none")),
        ("/values/0/forward/rms", Value::from("1")),
        ("/parameters/0", serde_json::json!({"name": "x"})),
    ] {
        let mut spoilt = sound.clone();
        *spoilt.pointer_mut(pointer).unwrap() = value;
        let verdict = validate(&schema, &schema, &spoilt, "$");
        assert!(verdict.is_err(), "{pointer}");
    }
}

#[test]
fn seeds_give_probabilities() {
    // Nine layers of three units: born dead about two times in three.
    let arguments = ["check", "mlp(1, 3x9, 1, relu)", "--seeds", "30", "-q"];
    let (_, text) = fanin(&[&arguments[..], &["--format", "json"]].concat());
    let report: Value = serde_json::from_str(&text).unwrap();
    conforms(&report);
    let repeats = &report["repeats"];
    assert_eq!(repeats["seeds"].as_array().unwrap().len(), 30);
    let share = repeats["faulty"]["share"].as_f64().unwrap();
    assert!((0.3..0.95).contains(&share), "{share}");
    let (_, text) = fanin(&arguments);
    assert!(text.contains("over 30 seeds"), "{text}");
}

#[test]
fn seeds_are_asked_before_and_after_a_fix() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixed.safetensors");
    let file = file.to_str().unwrap();
    for how in ["--fix=initializer", "--fix=rescale"] {
        let arguments = ["check", FADING, "--recipe", "torch", how, "-o", file];
        let arguments = [&arguments[..], &["--seeds", "3"]].concat();
        let report = json(&arguments, 0);
        conforms(&report);
        let before = &report["fixed"]["repeats_before"];
        assert_eq!(before["faulty"]["count"], 3, "{how}");
        assert_eq!(report["repeats"]["healthy"]["count"], 3, "{how}");
        let text = run(&arguments, 0);
        assert_eq!(text.matches("over 3 seeds").count(), 2, "{how}: {text}");
    }
}

#[test]
fn each_way_of_fixing_is_shown_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    for how in ["initializer", "rescale", "predict"] {
        let file = folder.path().join(format!("{how}.safetensors"));
        let file = file.to_str().unwrap();
        let fix = format!("--fix={how}");
        let arguments = ["check", FADING, "--recipe", "torch", &fix, "--output", file];
        let report = json(&arguments, 0);
        conforms(&report);
        assert_eq!(report["verdict"], "healthy", "{how}");
        assert_eq!(report["fixed"]["verdict_before"], "faulty");
        assert_eq!(report["fixed"]["how"], how);
        assert!(report["fixed"]["changes"].as_array().unwrap().len() > 20);
        let again = json(&["check", FADING, "--weights", file], 0);
        assert_eq!(again["verdict"], "healthy", "{how}");
        let text = run(&arguments, 0);
        assert!(text.contains("rms before"), "{text}");
    }
}

/// The fields that SARIF 2.1.0 requires (OASIS standard, 27 March 2020).
#[test]
fn sarif_has_what_the_standard_requires() {
    let arguments = [
        "check", FADING, "--recipe", "torch", "--format", "sarif", "-q",
    ];
    let log: Value = serde_json::from_str(&run(&arguments, 1)).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert_eq!(driver["name"], "fanin");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["id"].is_string());
        for field in ["shortDescription", "fullDescription", "help"] {
            assert!(rule[field]["text"].is_string(), "{rule}");
        }
    }
    let results = runs[0]["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        assert!(result["message"]["text"].is_string());
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let level = result["level"].as_str().unwrap();
        assert!(["none", "note", "warning", "error"].contains(&level));
        let location = &result["locations"][0];
        assert!(location["logicalLocations"][0]["name"].is_string());
        let physical = location.get("physicalLocation");
        assert!(physical.is_none(), "there is no file");
    }
    // Only what has findings has SARIF.
    run(&["explain", "F101", "--format", "sarif"], 2);
}

#[test]
fn formats_and_optimizers_are_judged_on_request() {
    let codes = |extra: &[&str]| -> Vec<String> {
        let arguments = [&["check", FADING, "--recipe", "torch"], extra].concat();
        let report = json(&arguments, 1);
        let findings = report["findings"].as_array().unwrap();
        let codes = findings.iter().map(|f| f["code"].as_str().unwrap());
        codes.map(str::to_owned).collect()
    };
    assert!(!codes(&[]).contains(&"F704".to_owned()));
    assert!(codes(&["--dtype", "f16"]).contains(&"F704".to_owned()));
    assert!(codes(&["--optimizer", "adam", "--lr", "1"]).contains(&"F705".to_owned()));
    run(&["check", FADING, "--optimizer", "adam"], 2);
    run(&["check", FADING, "--dtype", "f12"], 2);
    run(&["check", FADING, "--optimizer", "sgd", "--lr", "0"], 2);
}
