//! A network from one line, its weights, and what happens to them.

use fanin::Seed;
use fanin_check::{Checkup, Finding, Options, Severity, Verdict, apply_fixes, check};
use fanin_network::{Dims, HostData, Network, Weights};
use fanin_plan::{Plan, Recipe, Request, plan};
use fanin_run::{RunOptions, run};

/// A network with weights.
pub(crate) struct Case {
    pub(crate) network: Network,
    pub(crate) plan: Option<Plan>,
    pub(crate) weights: Weights,
    pub(crate) seed: u64,
}

impl Case {
    /// The weights of a recipe with seed 0.
    pub(crate) fn new(architecture: &str, recipe: Recipe) -> Self {
        Self::seeded(architecture, recipe, 0)
    }

    pub(crate) fn seeded(architecture: &str, recipe: Recipe, seed: u64) -> Self {
        let network = fanin_network::open(architecture, &Dims::default()).unwrap();
        let request = Request {
            recipe,
            ..Request::new(Seed::new(seed))
        };
        let plan = plan(&network, &request).unwrap().plan;
        let weights = plan.fill_weights().unwrap();
        Self {
            network,
            plan: Some(plan),
            weights,
            seed,
        }
    }

    /// The weights of recipe auto.
    pub(crate) fn auto(architecture: &str) -> Self {
        Self::new(architecture, Recipe::Auto)
    }

    /// Changes a tensor; what is checked then comes from no plan.
    #[track_caller]
    pub(crate) fn edit(mut self, name: &str, change: impl FnOnce(&mut [f32])) -> Self {
        let known: Vec<&String> = self.weights.tensors.keys().collect();
        let message = format!("no tensor `{name}` among {known:?}");
        let tensor = self.weights.tensors.get_mut(name).expect(&message);
        let HostData::F32(data) = &mut tensor.data else {
            panic!("`{name}` is not f32")
        };
        change(data);
        self.plan = None;
        self
    }

    pub(crate) fn fill(self, name: &str, value: f32) -> Self {
        self.edit(name, |data| data.fill(value))
    }

    pub(crate) fn scale(self, name: &str, factor: f32) -> Self {
        self.edit(name, |data| data.iter_mut().for_each(|x| *x *= factor))
    }

    /// Scales every weight (not biases, norms or embeddings) by one factor.
    pub(crate) fn scale_weights(mut self, factor: f32) -> Self {
        for name in self.matrices() {
            self = self.scale(&name, factor);
        }
        self
    }

    /// Names of the weights with at least two axes, in the order of execution.
    pub(crate) fn matrices(&self) -> Vec<String> {
        let matrices = self.network.parameters.iter();
        matrices
            .filter(|p| p.shape.len() >= 2)
            .map(|p| p.name.clone())
            .collect()
    }

    pub(crate) fn check(&self) -> Checkup {
        self.check_with(&Options::default())
    }

    pub(crate) fn check_with(&self, options: &Options) -> Checkup {
        let trace = run(
            &self.network,
            &self.weights,
            &RunOptions::new(Seed::new(self.seed)),
        )
        .unwrap();
        check(
            &self.network,
            self.plan.as_ref(),
            &self.weights,
            trace,
            options,
        )
    }

    /// The check after the changes that this one proposes.
    pub(crate) fn fixed(&self, checkup: &Checkup) -> (Vec<String>, Checkup) {
        let mut weights = self.weights.clone();
        let seed = Seed::new(self.seed);
        let changed = apply_fixes(&self.network, checkup, seed, &mut weights).unwrap();
        let case = Self {
            network: self.network.clone(),
            plan: None,
            weights,
            seed: self.seed,
        };
        (changed, case.check())
    }

    /// The rule fires with this severity and blames this parameter, and the changes that the
    /// findings propose make the network healthy.
    #[track_caller]
    pub(crate) fn mended(&self, code: &str, severity: Severity, blamed: &str) -> Checkup {
        let checkup = self.check();
        fires(&checkup, code, severity, blamed);
        let (changed, after) = self.fixed(&checkup);
        assert!(!changed.is_empty(), "nothing is changed");
        assert_eq!(after.verdict, Verdict::Healthy, "{:#?}", brief(&after));
        checkup
    }
}

/// The finding of a code.
pub(crate) fn find<'a>(checkup: &'a Checkup, code: &str) -> Option<&'a Finding> {
    let mut findings = checkup.findings.iter();
    findings.find(|finding| finding.code.to_string() == code)
}

#[track_caller]
pub(crate) fn fires<'a>(
    checkup: &'a Checkup,
    code: &str,
    severity: Severity,
    blamed: &str,
) -> &'a Finding {
    let all = brief(checkup);
    let Some(finding) = find(checkup, code) else {
        panic!("{code} does not fire: {all:#?}")
    };
    assert_eq!(finding.severity, severity, "{all:#?}");
    assert_eq!(finding.parameter.as_deref(), Some(blamed), "{all:#?}");
    finding
}

#[track_caller]
pub(crate) fn silent(checkup: &Checkup, code: &str) {
    assert!(find(checkup, code).is_none(), "{:#?}", brief(checkup));
}

#[track_caller]
pub(crate) fn healthy(checkup: &Checkup) {
    assert_eq!(checkup.verdict, Verdict::Healthy, "{:#?}", brief(checkup));
}

/// The findings, a line each.
pub(crate) fn brief(checkup: &Checkup) -> Vec<String> {
    let line = |f: &Finding| {
        format!(
            "{} {:?} {:?}: {}",
            f.code, f.severity, f.parameter, f.message
        )
    };
    checkup.findings.iter().map(line).collect()
}
