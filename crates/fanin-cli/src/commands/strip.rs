//! `fanin strip MODEL -o FILE`: the architecture without the weights.

use fanin_network::{Dims, onnx};

use crate::args::StripArgs;
use crate::output::{Printer, Status};

pub(crate) fn run(args: &StripArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let model = args.model.to_string_lossy();
    let network = fanin_network::open(&model, &Dims::default())?;
    onnx::strip(&network, &args.output)?;
    let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |m| m.len());
    let (before, after) = (size(&args.model), size(&args.output));
    if printer.json() {
        let document = serde_json::json!({
            "fanin": env!("CARGO_PKG_VERSION"),
            "model": model,
            "output": args.output.to_string_lossy(),
            "parameters": network.parameters.len(),
            "bytes_before": before,
            "bytes_after": after,
        });
        printer.print(&format!("{document:#}\n"))?;
    } else {
        printer.remark(&format!(
            "{}: {} parameters taken out, {before} bytes became {after}",
            args.output.display(),
            network.parameters.len()
        ));
    }
    Ok(Status::Fine)
}
