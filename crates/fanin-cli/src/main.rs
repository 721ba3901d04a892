//! The `fanin` command: arguments and printing, nothing else.

mod args;
mod commands;
mod interrupt;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut printer = output::Printer::new(&cli.output);
    let judges = matches!(cli.command, Command::Check(_) | Command::Init(_));
    if cli.output.format == args::Format::Sarif && !judges {
        output::error(&anyhow::anyhow!(
            "--format sarif is for findings, which only check and init have; use text or json"
        ));
        return ExitCode::from(2);
    }
    let result = match &cli.command {
        Command::Init(args) => commands::init::run(args, &mut printer),
        Command::Plan(args) => commands::plan::run(args, &mut printer),
        Command::Fill(args) => commands::fill::run(args, &mut printer),
        Command::Check(args) => commands::check::run(args, &mut printer),
        Command::Compare(args) => commands::compare::run(args, &mut printer),
        Command::Explain(args) => commands::explain::run(args, &mut printer),
        Command::Strip(args) => commands::strip::run(args, &mut printer),
        Command::Completions(args) => commands::completions::run(args, &mut printer),
    };
    match result {
        Ok(status) => ExitCode::from(status as u8),
        // A reader that has seen enough (`| head`) is no failure.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(2)
        }
    }
}
