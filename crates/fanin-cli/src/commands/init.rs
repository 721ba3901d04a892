//! `fanin init MODEL`: plan, fill, check and report in one go.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fanin_check::{Options, Origin};
use fanin_network::{Network, onnx};
use fanin_plan::{FillOptions, Folder};
use fanin_report::Report;

use crate::args::{Format, InitArgs};
use crate::commands::check::{rows, status};
use crate::commands::{make_plan, open, session, write_text};
use crate::output::{Printer, Status};

pub(crate) fn run(args: &InitArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let opened = open(&args.model, args.data.as_deref())?;
    let plan = make_plan(
        &opened.network,
        &args.recipe,
        args.dtype.as_deref(),
        printer,
    )?;
    let path = args.output.clone();
    let path = path.unwrap_or_else(|| default_folder(&opened.network));
    let folder = Folder::new(&path);
    if !args.force {
        folder.refuse_other_weights(&plan)?;
    }
    let options = Options {
        model: args.model.model.clone(),
        seed: args.recipe.seed,
        ..Options::default()
    };
    // What is checked is what is written: one fill in memory, rounded to the plan's type.
    let origin = Origin::Plan(plan.clone());
    let session = session(opened, options, origin, printer)?;
    let checkup = session.check()?;
    let report = Report {
        network: session.network(),
        plan: Some(&plan),
        checkup: &checkup,
    };
    std::fs::create_dir_all(&path)
        .with_context(|| format!("cannot make the folder {}", path.display()))?;
    let progress = printer.progress("writing");
    let bar = progress.clone();
    let filled = plan.fill_file(
        &folder.weights,
        &FillOptions {
            // Whether that may be was decided above.
            replace: true,
            progress: Some(Box::new(move |done, total| bar.set(done, total))),
            ..FillOptions::default()
        },
    );
    progress.finish();
    filled?;
    let mut written = vec![&folder.plan, &folder.weights, &folder.report];
    if args.onnx {
        onnx::write_weights(session.network(), session.weights(), &folder.model)?;
        written.push(&folder.model);
    }
    write_text(&folder.report, &report.html())?;
    // The plan goes last: where it stands, the rest stands.
    write_text(&folder.plan, &plan.to_string())?;
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
    let stem = network.source.path().and_then(Path::file_stem);
    stem.map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from("network"))
        .with_extension("fanin")
}
