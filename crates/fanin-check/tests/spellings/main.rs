//! A verdict does not depend on spelling: the same network, written in other operators, in half
//! precision or with its weights in stacks, gets the same fans, findings and blame.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "that is how a test says no"
)]

mod network;
#[path = "../../../fanin-network/tests/support/mod.rs"]
mod onnx;

use fanin::{Fans, Seed};
use fanin_check::{Checkup, Options, Verdict, check};
use fanin_network::{Dims, Network, Weights};
use fanin_plan::{Plan, Request, plan};
use fanin_run::{RunOptions, run};

use network::{Case, Experts, Form, Spelling, write, write_experts};

/// What is said of a network.
struct Told {
    network: Network,
    plan: Result<Plan, String>,
    checkup: Checkup,
}

fn open(bytes: &[u8]) -> (onnx::Folder, Network) {
    let folder = onnx::folder(bytes);
    let network = fanin_network::open(folder.path.to_str().unwrap(), &Dims::default()).unwrap();
    (folder, network)
}

fn judge(network: &Network, weights: &Weights, plan: Option<&Plan>) -> Checkup {
    let trace = run(network, weights, &RunOptions::new(Seed::new(7))).unwrap();
    let options = Options {
        drawn: true,
        ..Options::default()
    };
    check(network, plan, weights, trace, &options)
}

fn tell(bytes: &[u8]) -> Told {
    let (_folder, network) = open(bytes);
    let weights = Weights::from_model(&network).unwrap();
    let plan = plan(&network, &Request::new(Seed::new(7)));
    Told {
        checkup: judge(&network, &weights, None),
        plan: plan.map(|o| o.plan).map_err(|e| e.to_string()),
        network,
    }
}

impl Told {
    /// Code, severity, the node blamed, and the layer whose stored tensor is blamed.
    fn findings(&self, stored: &[String]) -> Vec<String> {
        let findings = self.checkup.findings.iter();
        findings
            .map(|f| {
                // The layer that a node belongs to, where the blamed tensor is (part of) its weight.
                let of = |node: &str| {
                    let (_, k) = node.rsplit_once('_')?;
                    k.parse::<usize>().ok()
                };
                let at = f.parameter.as_ref().map(|p| {
                    let own = of(&f.node).filter(|&k| stored.get(k) == Some(p));
                    let first = stored.iter().position(|s| s == p);
                    match own.or(first) {
                        Some(k) => format!("layer {k}"),
                        None => p.clone(),
                    }
                });
                let at = at.unwrap_or_default();
                format!("{} {:?} {} {at}", f.code, f.severity, f.node)
            })
            .collect()
    }

    fn fans(&self, parameter: &str) -> Option<Fans> {
        let plan = self.plan.as_ref().ok()?;
        plan.entry(parameter)?.fans
    }

    /// The deviation that the plan gives a parameter.
    fn std(&self, parameter: &str) -> f64 {
        let std = |plan: &Plan| {
            let entry = plan.entry(parameter)?;
            let filler = entry.initializer.resolve(&entry.shape, &entry.layout);
            filler.ok()?.expected_std()
        };
        let plan = self.plan.as_ref().ok();
        plan.and_then(std).unwrap_or(f64::NAN)
    }
}

/// What a spelling is told differently from the plain one, a line each.
fn differences(case: Case, spelling: Spelling, plain: &Told, expected: &[String]) -> Vec<String> {
    let written = write(case, spelling);
    let told = tell(&written.bytes);
    let mut found = Vec::new();
    let (verdict, wanted) = (told.checkup.verdict, plain.checkup.verdict);
    if verdict != wanted {
        found.push(format!("verdict {verdict:?} for {wanted:?}"));
    }
    let findings = told.findings(&written.stored);
    if findings != expected {
        found.push(format!("findings {findings:?} for {expected:?}"));
    }
    if let Err(error) = &told.plan {
        found.push(format!("no plan: {error}"));
        return found;
    }
    let mut fans = Vec::new();
    let mut spreads = Vec::new();
    for (k, stored) in written.stored.iter().enumerate() {
        let first = format!("w{}", if case.tied { k / 2 } else { k });
        let (own, right) = (told.fans(stored), plain.fans(&first));
        if own != right && fans.is_empty() {
            fans.push(format!("layer {k}: fans {own:?} for {right:?}"));
        }
        let (own, right) = (told.std(stored) * spelling.factor(), plain.std(&first));
        if (own / right - 1.0).abs().partial_cmp(&1e-6) != Some(std::cmp::Ordering::Less)
            && spreads.is_empty()
        {
            spreads.push(format!("layer {k}: planned deviation {own} for {right}"));
        }
    }
    found.extend(fans);
    found.extend(spreads);
    // What the plan fills is healthy. A spectral norm's u and v are those of the old weights.
    if let Ok(plan) = &told.plan
        && spelling != Spelling::SpectralNorm
    {
        let weights = plan.fill_weights().unwrap();
        let filled = judge(&told.network, &weights, Some(plan));
        if filled.verdict != Verdict::Healthy {
            let first = filled.findings.first().map(|f| f.message.clone());
            found.push(format!(
                "filled by its plan: {:?}, {first:?}",
                filled.verdict
            ));
        }
    }
    found
}

fn all_alike(case: Case) {
    let plain = write(case, Spelling::Plain);
    let told = tell(&plain.bytes);
    let wanted = if case.healthy {
        Verdict::Healthy
    } else {
        Verdict::Faulty
    };
    let expected = told.findings(&plain.stored);
    assert_eq!(told.checkup.verdict, wanted, "{expected:?}");
    if !case.healthy {
        let has = |code: &str| expected.iter().any(|f| f.starts_with(code));
        assert!(has("F101") && has("F201"), "{expected:?}");
    }
    let mut lines = Vec::new();
    for spelling in Spelling::ALL {
        if spelling.suits(case.form) {
            let found = differences(case, spelling, &told, &expected);
            lines.extend(
                found
                    .into_iter()
                    .map(|line| format!("{spelling:?}: {line}")),
            );
        }
    }
    assert!(lines.is_empty(), "{case:?}\n{}", lines.join("\n"));
}

macro_rules! twins {
    ($($name:ident: $form:expr, half $half:literal, tied $tied:literal;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn faulty() {
                let (half, tied) = ($half, $tied);
                all_alike(Case { form: $form, half, tied, healthy: false });
            }

            #[test]
            fn healthy() {
                let (half, tied) = ($half, $tied);
                all_alike(Case { form: $form, half, tied, healthy: true });
            }
        }
    )*};
}

twins! {
    linear: Form::Linear(256), half false, tied false;
    linear_half: Form::Linear(256), half true, tied false;
    linear_tied: Form::Linear(256), half false, tied true;
    pointwise: Form::Conv(1, 48), half false, tied false;
    convolution: Form::Conv(3, 32), half false, tied false;
    convolution_half: Form::Conv(3, 32), half true, tied false;
    convolution_tied: Form::Conv(3, 32), half false, tied true;
}

#[test]
fn experts_have_the_fans_of_one_of_them() {
    let mut lines = Vec::new();
    for experts in [
        Experts::Gather,
        Experts::Split,
        Experts::Batched,
        Experts::Einsum,
    ] {
        let told = tell(&write_experts(experts));
        let entry = told.plan.as_ref().unwrap().entry("experts").unwrap();
        let fans = entry.fans.map(|fans| (fans.fan_in, fans.fan_out));
        let std = told.std("experts");
        // He's rule before ReLU, for each expert on its own.
        if fans != Some((64.0, 256.0)) || (std - (2.0f64 / 64.0).sqrt()).abs() > 1e-6 {
            lines.push(format!(
                "{experts:?}: {fans:?}, deviation {std}: {}",
                entry.reason
            ));
        }
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn weights_that_belong_to_no_layer_are_told() {
    let file = onnx::model(&onnx::graph(
        &[
            onnx::node("Mul", &["x", "w"], &["y"]),
            onnx::node("Relu", &["y"], &["z"]),
        ],
        &[onnx::tensor(
            "w",
            &[4, 8],
            &(0..32).map(|k| k as f32 - 15.3).collect::<Vec<_>>(),
        )],
        vec![onnx::value("x", &[4, 8])],
        &["z"],
    ));
    let told = tell(&prost::Message::encode_to_vec(&file));
    let findings = told.findings(&[]);
    assert_eq!(told.checkup.verdict, Verdict::Doubtful, "{findings:?}");
    assert!(
        findings.iter().any(|f| f.starts_with("F801")),
        "{findings:?}"
    );
}
