//! Judging as one object: a network, the weights it starts from, the data, what is known of the training
//! to come; and what can be asked of them.

use std::path::PathBuf;
use std::sync::Arc;

use fanin::Seed;
use fanin_network::memory::FreeMemory;
use fanin_network::{Network, Payload, Weights};
use fanin_plan::{Plan, Request};
use fanin_run::{Data, Need, RunOptions};

use crate::labels::{class_counts, split_labels};
use crate::{
    Basis, Change, CheckError, Checkup, Fix, Fixed, Options, Repeats, check, mend, redraw_broken,
    repeat, rescale,
};

/// Told of every run: steps done, and all steps. The last call of a run says that all are done.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// Where the weights that are judged come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// Those that the model stores, or recipe `auto`'s where it stores none.
    Model,
    /// A safetensors file.
    File(PathBuf),
    /// Tensors in memory, by parameter.
    Weights(Weights),
    /// A plan that was made before.
    Plan(Plan),
    /// A plan made for this network; its seed is the session's.
    Recipe(Request),
}

/// How weights are changed before they are checked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Manner {
    /// What is at fault is filled with the initializer that each finding proposes.
    Initializer,
    /// Weights are scaled layer by layer until each puts out a signal of size one, as measured.
    Rescale,
    /// The same from theory alone.
    Predict,
}

impl Manner {
    /// Where a rescaling knows a layer's output from; `None` where nothing is rescaled.
    fn basis(self) -> Option<Basis> {
        match self {
            Self::Initializer => None,
            Self::Rescale => Some(Basis::Measurement),
            Self::Predict => Some(Basis::Prediction),
        }
    }
}

impl std::fmt::Display for Manner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Initializer => "initializer",
            Self::Rescale => "rescale",
            Self::Predict => "predict",
        })
    }
}

/// What became of weights that were changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Mending {
    /// The weights as they are now.
    pub weights: Weights,
    /// The plan that describes them, if one does: a rescaled weight is no draw of any initializer.
    pub plan: Option<Plan>,
    /// The check after the changes; [`Checkup::fixed`] holds them and what the check before said.
    pub checkup: Checkup,
    /// Parameters that were left as they are, since the size of their layer's output is not known.
    pub left: Vec<String>,
}

/// One network and all that its judgement depends on.
///
/// The same session gives the same answers, however often it is asked.
pub struct Session {
    network: Network,
    data: Option<Data>,
    options: Options,
    plan: Option<Plan>,
    weights: Weights,
    remarks: Vec<String>,
    repeats: Option<usize>,
    progress: Option<Progress>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("network", &self.network.name)
            .field("options", &self.options)
            .field("repeats", &self.repeats)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session about these weights of a network.
    ///
    /// `data` are the user's own inputs, or `None` for random ones; an array `labels` among them tells how
    /// frequent each class is. `options.seed` is that of weights and inputs.
    ///
    /// # Errors
    ///
    /// A check that takes more memory than is free, labels that do not fit the output, weights that cannot
    /// be read, planned or made.
    pub fn new(
        network: Network,
        data: Option<Data>,
        options: Options,
        origin: Origin,
    ) -> Result<Self, CheckError> {
        Need::check(&network).fits(FreeMemory::now())?;
        let (data, labels) = match data {
            Some(data) => split_labels(&network, data),
            None => (None, None),
        };
        let counted = labels.map(|labels| class_counts(&network, &labels, data.as_ref()));
        let options = Options {
            drawn: data.is_none(),
            class_counts: counted.transpose()?.or(options.class_counts),
            ..options
        };
        let mut session = Self {
            network,
            data,
            options,
            plan: None,
            weights: Weights::default(),
            remarks: Vec::new(),
            repeats: None,
            progress: None,
        };
        session.restart(origin)?;
        Ok(session)
    }

    /// The same session about other weights.
    ///
    /// # Errors
    ///
    /// Weights that cannot be read, planned or made; the session then keeps those it had.
    pub fn restart(&mut self, origin: Origin) -> Result<(), CheckError> {
        let mut remarks = Vec::new();
        let (plan, weights) = match origin {
            Origin::File(path) => (None, Weights::read_safetensors(&path, &self.network)?),
            Origin::Weights(weights) => (None, weights),
            Origin::Model if stores_weights(&self.network) => {
                (None, Weights::from_model(&self.network)?)
            }
            Origin::Plan(plan) => {
                plan.matches(&self.network)?;
                let weights = plan.fill_weights()?;
                (Some(plan), weights)
            }
            made => {
                let seed = Seed::new(self.options.seed);
                let request = match made {
                    Origin::Recipe(request) => Request { seed, ..request },
                    _ => {
                        remarks.push(
                            "the model holds no weights: checking those of recipe auto".to_owned(),
                        );
                        Request::new(seed)
                    }
                };
                let planned = fanin_plan::plan(&self.network, &request)?;
                let notes = planned.warnings.iter();
                remarks.extend(notes.map(|warning| format!("note: {warning}")));
                let weights = planned.plan.fill_weights()?;
                (Some(planned.plan), weights)
            }
        };
        (self.plan, self.weights, self.remarks) = (plan, weights, remarks);
        Ok(())
    }

    /// Asks for every answer with so many seeds beside: the session's own and those that follow it.
    #[must_use]
    pub fn with_repeats(mut self, seeds: Option<usize>) -> Self {
        self.repeats = seeds;
        self
    }

    /// Has every run tell how far it is.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The plan that the weights come from, if they come from one.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// The weights that are judged.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// What the user should know of how the weights came about.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Runs the network forward and backward, judges what was seen, and repeats it with other seeds where
    /// that is asked for.
    ///
    /// # Errors
    ///
    /// Those of [`fanin_run::run`].
    pub fn check(&self) -> Result<Checkup, CheckError> {
        let seed = self.options.seed;
        let mut checkup = self.judge(self.plan.as_ref(), &self.weights, seed)?;
        checkup.repeats = self.repeated(|seed| match &self.plan {
            Some(plan) => self.judge_plan(plan, seed),
            // Weights that come from no plan stay; the inputs are drawn anew.
            None => self.judge(None, &self.weights, seed),
        })?;
        Ok(checkup)
    }

    /// Changes a copy of the weights and checks again; `None` where nothing is to be changed. `before` is
    /// what [`Session::check`] said.
    ///
    /// # Errors
    ///
    /// Those of [`fanin_run::run`], and an initializer that does not suit its parameter.
    pub fn fix(&self, manner: Manner, before: &Checkup) -> Result<Option<Mending>, CheckError> {
        let mended = match manner.basis() {
            None => self.drawn_anew(before)?,
            Some(basis) => self.rescaled(basis, before)?,
        };
        Ok(mended.map(|(changes, mut mending)| {
            mending.checkup.fixed = Some(Fixed {
                how: manner.to_string(),
                changes,
                verdict_before: before.verdict,
                findings_before: before.findings.clone(),
                values_before: before.values.clone(),
                repeats_before: before.repeats.clone(),
            });
            mending
        }))
    }

    fn drawn_anew(&self, before: &Checkup) -> Result<Option<(Vec<Change>, Mending)>, CheckError> {
        let mut weights = self.weights.clone();
        let seed = self.options.seed;
        let judge = |plan: Option<&Plan>, weights: &Weights| self.judge(plan, weights, seed);
        let done = mend(
            &self.network,
            self.plan.as_ref(),
            before,
            &mut weights,
            judge,
        )?;
        let Some(done) = done else {
            return Ok(None);
        };
        let mut checkup = done.checkup;
        checkup.repeats = self.repeated(|seed| match &done.plan {
            Some(plan) => self.judge_plan(plan, seed),
            None => self.judge(None, &weights, seed),
        })?;
        let changes = done.changes.iter().map(Change::initializer);
        Ok(Some((
            changes.collect(),
            Mending {
                weights,
                plan: done.plan,
                checkup,
                left: Vec::new(),
            },
        )))
    }

    fn rescaled(
        &self,
        basis: Basis,
        before: &Checkup,
    ) -> Result<Option<(Vec<Change>, Mending)>, CheckError> {
        let mut weights = self.weights.clone();
        let (changes, left) = self.rescale(basis, before, &mut weights)?;
        if changes.is_empty() {
            return Ok(None);
        }
        let mut checkup = self.judge(None, &weights, self.options.seed)?;
        checkup.repeats = self.repeated(|seed| match &self.plan {
            // What each seed draws is judged and rescaled for itself.
            Some(plan) => {
                let plan = with_seed(plan, seed);
                let mut drawn = plan.fill_weights()?;
                let before = self.judge(Some(&plan), &drawn, seed)?;
                self.rescale(basis, &before, &mut drawn)?;
                self.judge(None, &drawn, seed)
            }
            None => self.judge(None, &weights, seed),
        })?;
        Ok(Some((
            changes,
            Mending {
                weights,
                plan: None,
                checkup,
                left,
            },
        )))
    }

    /// Rescales in place, after what no factor mends was drawn anew: the changes, and what was left.
    fn rescale(
        &self,
        basis: Basis,
        before: &Checkup,
        weights: &mut Weights,
    ) -> Result<(Vec<Change>, Vec<String>), CheckError> {
        let seed = Seed::new(before.seed);
        let refilled = redraw_broken(&self.network, before, seed, weights)?;
        let proposed = |name: &str| {
            let findings = before.findings.iter();
            let mut fixes = findings.flat_map(|f| f.fix.iter().chain(&f.further_fixes));
            fixes.find(|fix| fix.parameter == name)
        };
        let mut changes: Vec<Change> = refilled
            .into_iter()
            .map(|parameter| Change {
                initializer: proposed(&parameter).map(|fix| fix.initializer.to_string()),
                factor: None,
                parameter,
            })
            .collect();
        let rescaled = rescale(&self.network, weights, basis, seed, self.data.as_ref())?;
        for (parameter, factor) in rescaled.factors {
            match changes.iter_mut().find(|c| c.parameter == parameter) {
                Some(change) => change.factor = Some(factor),
                None => changes.push(Change {
                    parameter,
                    initializer: None,
                    factor: Some(factor),
                }),
            }
        }
        Ok((changes, rescaled.left))
    }

    fn repeated(
        &self,
        judge: impl FnMut(u64) -> Result<Checkup, CheckError>,
    ) -> Result<Option<Repeats>, CheckError> {
        let first = self.options.seed;
        let repeats = self
            .repeats
            .map(|count| repeat(first..first.saturating_add(count as u64), judge));
        repeats.transpose()
    }

    /// Draws what the plan describes with this seed, and judges it.
    fn judge_plan(&self, plan: &Plan, seed: u64) -> Result<Checkup, CheckError> {
        let plan = with_seed(plan, seed);
        self.judge(Some(&plan), &plan.fill_weights()?, seed)
    }

    fn judge(
        &self,
        plan: Option<&Plan>,
        weights: &Weights,
        seed: u64,
    ) -> Result<Checkup, CheckError> {
        let told = self.progress.clone();
        let told = told.map(|told| Box::new(move |done, all| told(done, all)) as _);
        let trace = fanin_run::run(
            &self.network,
            weights,
            &RunOptions {
                seed: Seed::new(seed),
                data: self.data.clone(),
                backward: true,
                progress: told,
            },
        );
        if let Some(progress) = &self.progress {
            progress(1, 1);
        }
        let options = Options {
            seed,
            ..self.options.clone()
        };
        Ok(check(&self.network, plan, weights, trace?, &options))
    }
}

impl Change {
    /// A parameter that was filled with what a finding proposed.
    fn initializer(fix: &Fix) -> Self {
        Self {
            parameter: fix.parameter.clone(),
            initializer: Some(fix.initializer.to_string()),
            factor: None,
        }
    }
}

/// The plan with another seed.
fn with_seed(plan: &Plan, seed: u64) -> Plan {
    Plan {
        seed: Seed::new(seed),
        ..plan.clone()
    }
}

/// Whether the model stores any weight that is more than one number repeated.
fn stores_weights(network: &Network) -> bool {
    let mut parameters = network.parameters.iter();
    parameters.any(|p| !matches!(p.payload, Payload::Absent | Payload::Filled(_)))
}
