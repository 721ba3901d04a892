//! The user's rules: what they match, which wins, what is said about mistakes.

use crate::networks;
use crate::networks::{layout, purpose, relu};
use fanin::Initializer;
use fanin_network::{Feeds, Role};
use fanin_plan::{Recipe, Rules, plan};

fn initializer_of(rules: &str, name: &str) -> Initializer {
    let outcome = networks::outcome(
        &networks::small(),
        Recipe::Auto,
        Rules::parse(rules).unwrap(),
    );
    outcome.plan.entry(name).unwrap().initializer.clone()
}

fn initializer(text: &str) -> Initializer {
    text.parse().unwrap()
}

#[test]
fn rules_win_over_the_recipe_and_the_last_one_over_the_others() {
    let rules = r#"
[[rule]]
match = "*.weight"
initializer = "normal(std=0.01)"

[[rule]]
role = "output_head"
initializer = "zeros"
reason = "we start from a uniform guess"
"#;
    assert_eq!(
        initializer_of(rules, "stem.weight"),
        initializer("normal(std=0.01)")
    );
    assert_eq!(initializer_of(rules, "head.weight"), initializer("zeros"));
    assert_eq!(initializer_of(rules, "norm.bias"), initializer("zeros"));
    let outcome = networks::outcome(
        &networks::small(),
        Recipe::Auto,
        Rules::parse(rules).unwrap(),
    );
    assert_eq!(
        outcome.plan.entry("head.weight").unwrap().reason,
        "your rule (role output_head): we start from a uniform guess"
    );
    assert_eq!(outcome.warnings, []);
}

#[test]
fn name_and_role_must_both_hold() {
    let rules = "[[rule]]\nmatch = \"norm.*\"\nrole = \"norm_shift\"\ninitializer = \"constant(value=2.0)\"\n";
    assert_eq!(
        initializer_of(rules, "norm.bias"),
        initializer("constant(value=2.0)")
    );
    assert_eq!(initializer_of(rules, "norm.weight"), initializer("ones"));
}

#[test]
fn globs_cross_dots_and_slashes_and_find_aliases() {
    let mut graph = networks::Graph::new("aliases");
    for name in ["encoder.0.a/b.weight", "decoder.weight"] {
        graph.parameter(name, &[2, 2], layout("oi"), purpose(Role::Weight, relu()));
    }
    graph.last().aliases.push("lm_head.weight".to_owned());
    let rules = Rules::parse(
        "[[rule]]\nmatch = \"encoder.*.weight\"\ninitializer = \"ones\"\n[[rule]]\nmatch = \"lm_head.{weight,bias}\"\ninitializer = \"zeros\"\n",
    )
    .unwrap();
    let outcome = networks::outcome(&graph.network, Recipe::Auto, rules);
    let found: Vec<&Initializer> = outcome
        .plan
        .entries
        .iter()
        .map(|entry| &entry.initializer)
        .collect();
    assert_eq!(found, [&Initializer::ones(), &Initializer::zeros()]);
    assert_eq!(outcome.warnings, []);
}

#[test]
fn a_rule_that_matches_nothing_is_remarked() {
    let rules =
        Rules::parse("# mine\n\n[[rule]]\nmatch = \"stm.*\"\ninitializer = \"zeros\"\n").unwrap();
    let outcome = networks::outcome(&networks::small(), Recipe::Auto, rules);
    let remarks: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        remarks,
        ["the rule at line 3 (match \"stm.*\") matches no parameter of this network"]
    );
}

#[test]
fn mistakes_get_line_and_field() {
    let error = |text: &str| Rules::parse(text).unwrap_err().to_string();
    assert_eq!(
        error("[[rule]]\nmatch = \"*\"\ninitialiser = \"zeros\"\n"),
        "line 3, `initialiser` of rule 1: unknown field; did you mean `initializer`?"
    );
    assert_eq!(
        error("[[rule]]\ninitializer = \"zeros\"\n"),
        "line 1, `match` of rule 1: missing; write match = \"NAME GLOB\" or role = \"ROLE\" (match = \"*\" for every parameter)"
    );
    assert_eq!(
        error("[[rule]]\nrole = \"embeddings\"\ninitializer = \"zeros\"\n"),
        "line 2, `role` of rule 1: `embeddings` is no role; did you mean `embedding`?"
    );
    assert!(
        error("[[rule]]\nmatch = \"[a\"\ninitializer = \"zeros\"\n")
            .starts_with("line 2, `match` of rule 1: ")
    );
    assert!(
        error("[[rule]]\nmatch = \"*\"\ninitializer = \"normal(std=-1.0)\"\n")
            .starts_with("line 3, `initializer` of rule 1: ")
    );
    assert!(
        error("[[rules]]\n").starts_with("line 1, `rules`: unknown field; did you mean `rule`?")
    );
    assert!(
        error("rule = 3\n").starts_with("line 1, `rule`: expected blocks that begin with [[rule]]")
    );
}

#[test]
fn a_rule_that_does_not_suit_names_the_parameter() {
    let network = networks::single(&[7], layout("o"), purpose(Role::Bias, Feeds::Linear));
    let request = fanin_plan::Request {
        rules: Rules::parse("[[rule]]\nmatch = \"*\"\ninitializer = \"orthogonal\"\n").unwrap(),
        ..fanin_plan::Request::new(fanin::Seed::new(0))
    };
    let error = plan(&network, &request).unwrap_err().to_string();
    assert!(
        error.starts_with("parameter `p` [7]: the rule at line 1 does not suit it: orthogonal"),
        "{error}"
    );
    assert!(
        error.ends_with("a rule (--rules) can give it another initializer"),
        "{error}"
    );
}

#[test]
fn a_mimetic_weight_is_held_to_the_one_it_names() {
    let network = fanin_network::open(
        "transformer(layers=1, width=32, heads=2, vocab=28, context=8)",
        &fanin_network::Dims::default(),
    )
    .unwrap();
    let attempt = |key: &str, of: &str| {
        let rules = format!(
            "[[rule]]\nmatch = \"*.key.weight\"\ninitializer = \"{key}\"\n\
             [[rule]]\nmatch = \"*.query.weight\"\ninitializer = \"mimetic(of='{of}')\"\n"
        );
        let request = fanin_plan::Request {
            rules: Rules::parse(&rules).unwrap(),
            ..fanin_plan::Request::new(fanin::Seed::new(5))
        };
        plan(&network, &request).map_err(|error| error.to_string())
    };
    let key = "blocks.0.attention.key.weight";
    let outcome = attempt("orthogonal", key).unwrap();
    // The plan's text holds the quotes, and the weights are what it says: Q − β K is noise of variance α²/32.
    let plan: fanin_plan::Plan = outcome.plan.to_string().parse().unwrap();
    assert_eq!(plan, outcome.plan);
    let weights = plan.fill_weights().unwrap();
    let values = |name: &str| match &weights.tensors[name].data {
        fanin_network::HostData::F32(values) => values.clone(),
        other => panic!("{name} is {other:?}"),
    };
    let (q, k) = (values("blocks.0.attention.query.weight"), values(key));
    let noise = q
        .iter()
        .zip(&k)
        .map(|(q, k)| (q - 0.7 * k).powi(2))
        .sum::<f32>()
        / 32.0;
    assert!((noise / 0.49 - 1.0).abs() < 0.2, "{noise}");
    for (initializer, of, message) in [
        ("zeros", key, "which is zeros and must be `orthogonal`"),
        ("orthogonal", "nobody", "has no such parameter"),
        (
            "orthogonal",
            "token_embedding.weight",
            "must be `orthogonal`",
        ),
    ] {
        let error = attempt(initializer, of).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}
