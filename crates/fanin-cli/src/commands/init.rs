//! `fanin init MODEL`: plan, fill, check and report in one go.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use fanin_check::Options;
use fanin_network::memory::FreeMemory;
use fanin_network::{Network, Source, onnx};
use fanin_plan::{FillOptions, Plan};
use fanin_report::Report;
use fanin_run::Need;

use crate::args::{Format, InitArgs};
use crate::commands::check::{rows, status};
use crate::commands::{check, make_plan, open, read_plan, write_text};
use crate::output::{Printer, Status};

pub(crate) fn run(args: &InitArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let (network, data) = open(&args.model, args.data.as_deref())?;
    let (data, labels) = match data {
        Some(data) => fanin_check::split_labels(&network, data),
        None => (None, None),
    };
    let class_counts = labels
        .map(|labels| fanin_check::class_counts(&network, &labels, data.as_ref()))
        .transpose()?;
    let plan = make_plan(&network, &args.recipe, args.dtype.as_deref(), printer)?;
    let folder = args
        .output
        .clone()
        .unwrap_or_else(|| default_folder(&network));
    let files = Files::in_folder(&folder);
    if !args.force {
        files.refuse_other_weights(&plan)?;
    }
    Need::check(&network).fits(FreeMemory::now())?;
    // What is checked is what is written: one fill in memory, rounded to the plan's type.
    let weights = plan.fill_weights()?;
    let checkup = check(
        &network,
        Some(&plan),
        &weights,
        data.as_ref(),
        &Options {
            model: args.model.model.clone(),
            seed: args.recipe.seed,
            class_counts,
            ..Options::default()
        },
        printer,
    )?;
    let report = Report {
        network: &network,
        plan: Some(&plan),
        checkup: &checkup,
    };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let progress = printer.progress("writing");
    let bar = progress.clone();
    let filled = plan.fill_file(
        &files.weights,
        &FillOptions {
            // Whether that may be was decided above.
            replace: true,
            progress: Some(Box::new(move |done, total| bar.set(done, total))),
            ..FillOptions::default()
        },
    );
    progress.finish();
    filled?;
    let mut written = vec![&files.plan, &files.weights, &files.report];
    if args.onnx {
        onnx::write_weights(&network, &weights, &files.model)?;
        written.push(&files.model);
    }
    write_text(&files.report, &report.html())?;
    // The plan goes last: where it stands, the rest stands.
    write_text(&files.plan, &plan.to_string())?;
    printer.print(&match printer.format {
        Format::Json => report.json(),
        Format::Sarif => report.sarif(),
        Format::Text => report.terminal(rows(args.all)),
    })?;
    let list: Vec<String> = written.iter().map(|p| p.display().to_string()).collect();
    printer.remark(&format!("wrote {}", list.join(", ")));
    Ok(status(&checkup))
}

/// `resnet18.fanin` beside where the command runs; `network.fanin` for a one-line architecture.
fn default_folder(network: &Network) -> PathBuf {
    let stem = match &network.source {
        Source::Onnx { path } => path.file_stem().map(PathBuf::from),
        Source::Architecture(_) => None,
    };
    stem.unwrap_or_else(|| PathBuf::from("network"))
        .with_extension("fanin")
}

struct Files {
    plan: PathBuf,
    weights: PathBuf,
    report: PathBuf,
    model: PathBuf,
}

impl Files {
    fn in_folder(folder: &Path) -> Self {
        Self {
            plan: folder.join("plan.toml"),
            weights: folder.join("weights.safetensors"),
            report: folder.join("report.html"),
            model: folder.join("model.onnx"),
        }
    }

    /// Weights of the same plan may be written again, they have the same bits; others are not
    /// replaced without being asked.
    fn refuse_other_weights(&self, plan: &Plan) -> anyhow::Result<()> {
        if !self.weights.exists() {
            return Ok(());
        }
        if read_plan(&self.plan).is_ok_and(|old| old == *plan) {
            return Ok(());
        }
        bail!(
            "{} holds weights of another plan; give another --output, or --force to replace them",
            self.weights.display()
        )
    }
}
