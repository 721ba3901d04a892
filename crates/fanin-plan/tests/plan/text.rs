//! The text of a plan: what is written reads back, and what is wrong gets line and field.

use crate::networks;
use fanin::{DType, Initializer, Layout, Seed};
use fanin_network::Role;
use fanin_plan::{ChosenBy, Entry, Model, Plan, Recipe};
use proptest::prelude::*;

#[test]
fn a_plan_reads_like_this() {
    let plan = networks::plan(&networks::small(), Recipe::Auto);
    let expected = r#"# What each parameter starts with, and why. Written by fanin; `fanin fill` makes the weights from it.
# Every bit follows from the stream, the seed, and the parameter's name, shape, layout and initializer.
# Initializers and reasons may be changed by hand; `fanin explain NAME` says what an initializer does.
format = 1
stream = "philox4x32-10/v1"
seed = 0
recipe = "auto"

[model]
name = "small"
digest = "sha256:00ff"

[[parameter]]
name = "stem.weight"
shape = [8, 3, 3, 3]
dtype = "f32"
role = "weight"
layout = "output input field field"
fan_in = 27
fan_out = 72
initializer = "kaiming_normal(mode=fan_in, gain=1.4142135623730951)"
reason = "feeds relu through batch norm: He keeps the second moment through relu (He et al. 2015)"

[[parameter]]
name = "norm.weight"
shape = [8]
dtype = "f32"
role = "norm_scale"
layout = "output"
initializer = "ones"
reason = "norm scale: one, the norm alone sets the scale (Ioffe & Szegedy 2015)"
"#;
    let text = plan.to_string();
    assert!(text.starts_with(expected), "{text}");
    let block = r#"[[parameter]]
name = "block.weight"
shape = [8, 1, 3, 3]
dtype = "f32"
role = "weight"
layout = "output input field field"
groups = 8
fan_in = 9
fan_out = 9
initializer = "kaiming_normal(mode=fan_in, gain=0.5)"
reason = "ends a residual branch: 1/fan_in keeps the variance of a linear layer (LeCun et al. 1998); divided by √4 because 4 branches add into the stream (Radford et al. 2019)"
"#;
    assert!(text.contains(block), "{text}");
}

#[test]
fn reading_gives_the_same_plan_and_the_same_bits() {
    for recipe in Recipe::ALL {
        let plan = networks::plan(&networks::small(), recipe);
        let read: Plan = plan.to_string().parse().unwrap();
        assert_eq!(read, plan);
        assert_eq!(read.to_string(), plan.to_string());
        assert_eq!(read.digest(), plan.digest());
        assert_eq!(read.fill_weights().unwrap(), plan.fill_weights().unwrap());
    }
}

fn initializer() -> impl Strategy<Value = Initializer> {
    prop_oneof![
        Just("zeros".to_owned()),
        Just("ones".to_owned()),
        (-1e3f64..1e3).prop_map(|x| format!("constant(value={x:?})")),
        (1e-6f64..1e3).prop_map(|std| format!("normal(std={std:?})")),
        (1e-6f64..1e3).prop_map(|x| format!("uniform(low={:?}, high={x:?})", -x)),
        (1e-3f64..1e3).prop_map(|gain| format!("kaiming_normal(gain={gain:?})")),
        (1e-3f64..1e3).prop_map(|gain| format!("xavier_uniform(gain={gain:?})")),
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn entry() -> impl Strategy<Value = Entry> {
    let layouts = prop_oneof![
        Just((networks::layout("oi"), vec![6, 7])),
        Just((networks::layout("io").fused(&[3, 3]), vec![7, 6])),
        Just((
            Layout {
                groups: 2,
                ..networks::layout("oiff")
            },
            vec![4, 3, 3, 2]
        )),
        Just((
            Layout {
                transposed: true,
                stride: vec![2, 2],
                ..networks::layout("ioff")
            },
            vec![4, 3, 3, 3]
        )),
        Just((networks::layout("soi"), vec![2, 3, 5])),
        Just((networks::layout("oi").sides(12, 7), vec![7, 6])),
    ];
    let choosers = vec![ChosenBy::Recipe, ChosenBy::Rule, ChosenBy::Finding];
    let roles = vec![Role::Weight, Role::OutputHead, Role::AttentionQkv];
    (
        any::<String>(),
        any::<String>(),
        layouts,
        prop::sample::select(DType::ALL.to_vec()),
        prop::sample::select(roles),
        (initializer(), prop::sample::select(choosers)),
    )
        .prop_map(
            |(name, reason, (layout, shape), dtype, role, (initializer, chosen_by))| Entry {
                name,
                fans: layout.fans(&shape).ok(),
                shape,
                dtype,
                role,
                layout,
                initializer,
                chosen_by,
                reason,
            },
        )
}

proptest! {
    #[test]
    fn any_plan_reads_back(
        seed: u64,
        model: String,
        entries in prop::collection::vec(entry(), 0..4),
        recipe in prop::sample::select(Recipe::ALL.to_vec()),
    ) {
        let mut names = std::collections::HashSet::new();
        let entries = entries
            .into_iter()
            .filter(|entry| names.insert(entry.name.clone()))
            .collect();
        let plan = Plan {
            seed: Seed::new(seed),
            recipe,
            model: Model { name: model, digest: "ab12".to_owned() },
            entries,
        };
        let text = plan.to_string();
        let read: Plan = text.parse().unwrap();
        prop_assert_eq!(&read, &plan);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = text.parse::<Plan>();
    }
}

/// Pieces of text that mean something in a plan, or nearly.
const PIECES: [&str; 24] = [
    "\"",
    "'''",
    "\n",
    "[",
    "]",
    "=",
    "#",
    ",",
    "\\u0000",
    "-1",
    "0",
    "1e400",
    "nan",
    "18446744073709551615",
    "4294967296",
    "[[parameter]]\n",
    "[model]\n",
    "{a = 1}",
    "0x10",
    "1979-05-27",
    "orthogonal(gain=1)",
    "concat(axis=0, 1: zeros, 7: ones)",
    "\u{202e}",
    "transposed = true\n",
];

proptest! {
    /// A plan that was edited by a careless hand.
    #[test]
    fn a_damaged_plan_is_read_or_refused(
        recipe in prop::sample::select(Recipe::ALL.to_vec()),
        edits in prop::collection::vec(
            (
                0.0..1.0f64,
                0usize..40,
                prop::option::of(prop::sample::select(PIECES.to_vec())),
                0.0..1.0f64,
            ),
            1..6,
        ),
    ) {
        let plan = networks::plan(&networks::small(), recipe);
        let mut text: Vec<char> = plan.to_string().chars().collect();
        for (place, cut, piece, from) in edits {
            let at = |share: f64, len: usize| (share * len as f64) as usize;
            let begin = at(place, text.len());
            let end = (begin + cut).min(text.len());
            // Something known, or a piece of the plan from elsewhere.
            let by: Vec<char> = match piece {
                Some(piece) => piece.chars().collect(),
                None => {
                    let from = at(from, text.len());
                    text[from..(from + cut).min(text.len())].to_vec()
                }
            };
            text.splice(begin..end, by);
        }
        let text: String = text.into_iter().collect();
        match text.parse::<Plan>() {
            Ok(plan) => prop_assert_eq!(plan.to_string().parse::<Plan>().unwrap(), plan),
            Err(error) => prop_assert!(error.to_string().starts_with("line ")),
        }
    }
}

/// The message for a plan in which one line was replaced.
fn refusal(line: &str, by: &str) -> String {
    let text = networks::plan(&networks::small(), Recipe::Auto).to_string();
    assert!(text.contains(line), "{line} is not in\n{text}");
    text.replacen(line, by, 1)
        .parse::<Plan>()
        .unwrap_err()
        .to_string()
}

#[test]
fn errors_name_line_and_field() {
    assert_eq!(
        refusal("format = 1", "format = 2"),
        "line 4, `format`: this fanin reads plans of format 1, not 2; take the fanin that wrote it, or plan anew"
    );
    assert_eq!(
        refusal("philox4x32-10/v1", "philox4x32-10/v9"),
        "line 5, `stream`: this fanin fills from `philox4x32-10/v1` and has no `philox4x32-10/v9`; take the fanin that wrote the plan, or plan anew"
    );
    assert_eq!(
        refusal("seed = 0", "seed = -1"),
        "line 6, `seed`: -1 is not between 0 and 18446744073709551615"
    );
    assert_eq!(
        refusal("recipe = \"auto\"", "recipe = \"torhc\""),
        "line 7, `recipe`: there is no recipe `torhc`; did you mean `torch`?"
    );
    assert_eq!(
        refusal("shape = [8, 3, 3, 3]", "shap = [8, 3, 3, 3]"),
        "line 15, `shap` of parameter 1: unknown field; did you mean `shape`?"
    );
    assert_eq!(
        refusal("shape = [8, 3, 3, 3]", "shape = \"8\""),
        "line 15, `shape` of \"stem.weight\": expected a list of sizes such as [64, 3], found string"
    );
    assert_eq!(
        refusal("role = \"weight\"", "role = \"weihgt\""),
        "line 17, `role` of \"stem.weight\": `weihgt` is no role; did you mean `weight`?"
    );
    assert_eq!(
        refusal("fan_in = 27", "fan_in = 28"),
        "line 19, `fan_in` of \"stem.weight\": shape and layout give fan_in 27, not 28; correct it or leave it out"
    );
    assert_eq!(
        refusal("name = \"norm.weight\"", "name = \"stem.weight\""),
        "line 25, `name` of \"stem.weight\": stands in the plan twice; the first is at line 13"
    );
    let error = refusal("initializer = \"ones\"", "initializer = \"onse\"");
    assert!(
        error.starts_with("line 30, `initializer` of \"norm.weight\": "),
        "{error}"
    );
    let error = refusal("initializer = \"ones\"", "initializer = \"xavier_normal\"");
    assert!(
        error.starts_with("line 30, `initializer` of \"norm.weight\": "),
        "{error}"
    );
    let error = refusal("[model]", "[model");
    assert!(error.starts_with("line 9, the plan: not TOML: "), "{error}");
    assert_eq!(
        "".parse::<Plan>().unwrap_err().to_string(),
        "line 1, `format`: missing, so this is no plan; a plan begins with format = 1"
    );
}

#[test]
fn what_is_stated_about_fans_may_be_left_out() {
    let plan = networks::plan(&networks::small(), Recipe::Auto);
    let text = plan.to_string().replacen("fan_in = 27\n", "", 1);
    assert_eq!(text.parse::<Plan>().unwrap(), plan);
}

#[test]
fn sizes_that_cannot_be_counted_are_refused() {
    for shape in [
        "[18446744073709551615]",
        "[4294967296, 4294967296]",
        "[9223372036854775807, 2]",
        "[99999999999999999999999]",
        "[3, -1]",
        "[1.5]",
    ] {
        let text = format!(
            "format = 1\nstream = \"philox4x32-10/v1\"\nseed = 0\nrecipe = \"auto\"\n[model]\nname = \"\"\ndigest = \"sha256:\"\n\
             [[parameter]]\nname = \"a\"\nshape = {shape}\ndtype = \"f32\"\nrole = \"bias\"\nlayout = \"output\"\ninitializer = \"zeros\"\nreason = \"\"\n"
        );
        let error = text.parse::<Plan>().unwrap_err().to_string();
        assert!(
            error.starts_with("line 10, `shape` of \"a\": "),
            "{shape}: {error}"
        );
    }
}

#[test]
fn a_claim_of_many_elements_takes_no_memory() {
    let text = "format = 1\nstream = \"philox4x32-10/v1\"\nseed = 0\nrecipe = \"auto\"\n[model]\nname = \"\"\ndigest = \"sha256:\"\n\
         [[parameter]]\nname = \"a\"\nshape = [1000000000, 1000000000]\ndtype = \"f32\"\nrole = \"weight\"\nlayout = \"output input\"\ninitializer = \"kaiming_normal\"\nreason = \"\"\n";
    let plan: Plan = text.parse().unwrap();
    assert_eq!(plan.bytes(), Some(4_000_000_000_000_000_000));
    let error = plan.fill_weights().unwrap_err().to_string();
    assert!(error.contains("do not fit in memory"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = plan
        .fill_file(
            &folder.path().join("w.safetensors"),
            &fanin_plan::FillOptions::default(),
        )
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("make room or choose another place"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn names_that_play_tricks_stay_names() {
    for name in [
        "a\"\n[[parameter]]\nname = \"b",
        "\u{202e}gnp",
        "\\",
        "",
        "\u{0}\u{7f}",
        "π.重み",
    ] {
        let network = networks::single(
            &[3],
            networks::layout("o"),
            networks::purpose(Role::Bias, networks::relu()),
        );
        let mut plan = networks::plan(&network, Recipe::Auto);
        plan.entries[0].name = name.to_owned();
        assert_eq!(plan.to_string().parse::<Plan>().unwrap(), plan);
    }
}
