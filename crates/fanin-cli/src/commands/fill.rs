//! `fanin fill PLAN -o FILE`: the weights that a plan describes. `--verify FILE`: whether they are that.

use std::path::Path;

use fanin_plan::{FillOptions, Plan, Slices, Verify};

use crate::args::FillArgs;
use crate::output::{Printer, Status};

pub(crate) fn run(args: &FillArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let plan = Plan::read(&args.plan)?;
    let mut slices = Slices::default();
    for (name, ranges) in &args.slices {
        slices.add(name, ranges)?;
    }
    match (&args.output, &args.verify) {
        (_, Some(path)) => verify(&plan, args, path, slices, printer),
        (Some(path), None) => fill(&plan, args, path, slices, printer),
        (None, None) => anyhow::bail!("give the file to write: --output FILE"),
    }
}

fn fill(
    plan: &Plan,
    args: &FillArgs,
    path: &Path,
    slices: Slices,
    printer: &mut Printer,
) -> anyhow::Result<Status> {
    let progress = printer.progress("filling");
    let bar = progress.clone();
    let filled = plan.fill_file(
        path,
        &FillOptions {
            shard: args.shard,
            max_shard_bytes: args.max_shard_size,
            slices,
            replace: args.force,
            progress: Some(Box::new(move |done, total| bar.set(done, total))),
        },
    );
    progress.finish();
    let filled = filled?;
    if printer.json() {
        let files: Vec<_> = filled.files.iter().map(|f| f.to_string_lossy()).collect();
        let document = serde_json::json!({
            "fanin": env!("CARGO_PKG_VERSION"),
            "plan": args.plan.to_string_lossy(),
            "output": path.to_string_lossy(),
            "files": files,
            "index": filled.index.as_ref().map(|index| index.to_string_lossy()),
            "tensors": filled.tensors,
            "bytes": filled.bytes,
            "found": filled.found,
        });
        printer.print(&format!("{document:#}\n"))?;
        return Ok(Status::Fine);
    }
    let place = match &filled.files[..] {
        [file] => file.display().to_string(),
        files => format!("{} shards of {}", files.len(), path.display()),
    };
    let found = match filled.found {
        0 => String::new(),
        found if found == filled.bytes => ", which were there already".to_owned(),
        found => format!(", of which {found} were there from an earlier run"),
    };
    printer.remark(&format!(
        "{place}: {} tensors, {} bytes{found}",
        filled.tensors, filled.bytes
    ));
    Ok(Status::Fine)
}

fn verify(
    plan: &Plan,
    args: &FillArgs,
    path: &Path,
    slices: Slices,
    printer: &mut Printer,
) -> anyhow::Result<Status> {
    let progress = printer.progress("comparing");
    let bar = progress.clone();
    let verified = plan.verify(
        path,
        &Verify {
            slices,
            progress: Some(Box::new(move |done, total| bar.set(done, total))),
        },
    );
    progress.finish();
    let verified = verified?;
    let difference = verified.difference.map(|difference| difference.to_string());
    if printer.json() {
        let files: Vec<_> = verified.files.iter().map(|f| f.to_string_lossy()).collect();
        let document = serde_json::json!({
            "fanin": env!("CARGO_PKG_VERSION"),
            "plan": args.plan.to_string_lossy(),
            "files": files,
            "tensors": verified.tensors,
            "bytes": verified.bytes,
            "difference": difference,
        });
        printer.print(&format!("{document:#}\n"))?;
    } else if let Some(difference) = &difference {
        printer.print(&format!("{difference}\n"))?;
    } else {
        printer.print(&format!(
            "{}: {} tensors, every bit as the plan says\n",
            path.display(),
            verified.tensors
        ))?;
    }
    Ok(if difference.is_some() {
        Status::Faulty
    } else {
        Status::Fine
    })
}
