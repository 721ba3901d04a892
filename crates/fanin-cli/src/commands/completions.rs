//! `fanin completions SHELL`.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::output::{Printer, Status};

pub(crate) fn run(args: &CompletionsArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fanin", &mut script);
    printer.print(&String::from_utf8_lossy(&script))?;
    Ok(Status::Fine)
}
