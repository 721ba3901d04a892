//! `fanin plan MODEL`: what each parameter gets, and why.

use crate::args::PlanArgs;
use crate::commands::{make_plan, open, write_text};
use crate::output::{Printer, Status};

pub(crate) fn run(args: &PlanArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let network = open(&args.model, None)?.network;
    let plan = make_plan(&network, &args.recipe, args.dtype.as_deref(), printer)?;
    if let Some(path) = &args.output {
        write_text(path, &plan.to_string())?;
        printer.remark(&format!(
            "{}: {} parameters planned",
            path.display(),
            plan.entries.len()
        ));
    }
    if printer.json() {
        let mut text = serde_json::to_string_pretty(&plan)?;
        text.push('\n');
        printer.print(&text)?;
    } else if args.output.is_none() {
        printer.print(&plan.to_string())?;
    }
    Ok(Status::Fine)
}
