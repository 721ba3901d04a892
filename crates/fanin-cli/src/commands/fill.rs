//! `fanin fill PLAN -o FILE`: the weights that a plan describes.

use anyhow::bail;
use fanin_plan::FillOptions;

use crate::args::FillArgs;
use crate::commands::read_plan;
use crate::output::{Printer, Status};

pub(crate) fn run(args: &FillArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let plan = read_plan(&args.plan)?;
    if args.output.exists() && !args.force {
        bail!(
            "{} exists; give another --output, or --force to replace it",
            args.output.display()
        );
    }
    let progress = printer.progress("filling");
    let bar = progress.clone();
    let filled = plan.fill_file(
        &args.output,
        &FillOptions {
            shard: args.shard,
            progress: Some(Box::new(move |done, total| bar.set(done, total))),
        },
    );
    progress.finish();
    let filled = filled?;
    if printer.json() {
        let document = serde_json::json!({
            "fanin": env!("CARGO_PKG_VERSION"),
            "plan": args.plan.to_string_lossy(),
            "output": args.output.to_string_lossy(),
            "tensors": filled.tensors,
            "bytes": filled.bytes,
        });
        printer.print(&format!("{document:#}\n"))?;
    } else {
        printer.remark(&format!(
            "{}: {} tensors, {} bytes",
            args.output.display(),
            filled.tensors,
            filled.bytes
        ));
    }
    Ok(Status::Fine)
}
