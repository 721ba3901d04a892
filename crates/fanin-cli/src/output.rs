//! Where text goes: results to standard output, progress and errors to standard error.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::{Format, OutputArgs};

/// What a command came to; the number is the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Fine = 0,
    Faulty = 1,
}

/// Prints results and shows progress as the user asked.
pub(crate) struct Printer {
    pub format: Format,
    pub quiet: bool,
}

impl Printer {
    pub(crate) fn new(args: &OutputArgs) -> Self {
        Self {
            format: args.format,
            quiet: args.quiet,
        }
    }

    pub(crate) fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints to standard output; colours are dropped where it is no terminal or `NO_COLOR` is set.
    pub(crate) fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// A remark for people, on standard error; `-q` silences it.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            // Standard error that is gone is no reason to stop.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        }
    }

    /// A bar that shows itself once work has lasted a second, and only on a terminal.
    pub(crate) fn progress(&self, what: &'static str) -> Progress {
        let bar = if self.quiet || !std::io::stderr().is_terminal() {
            None
        } else {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            if let Ok(style) =
                ProgressStyle::with_template("{msg:>10} {bar:40} {percent:>3} %  {eta}")
            {
                bar.set_style(style);
            }
            bar.set_message(what);
            Some(bar)
        };
        Progress {
            bar,
            start: Arc::new(Mutex::new(Instant::now())),
        }
    }
}

/// See [`Printer::progress`].
#[derive(Clone)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    start: Arc<Mutex<Instant>>,
}

impl Progress {
    /// Work that is all done takes its bar away; the next that comes shows another.
    pub(crate) fn set(&self, done: u64, total: u64) {
        let Some(bar) = &self.bar else { return };
        if done >= total {
            return self.finish();
        }
        let late = |start: &Instant| start.elapsed() > Duration::from_secs(1);
        if bar.is_hidden() && self.start.lock().is_ok_and(|start| late(&start)) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_length(total);
        bar.set_position(done);
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            bar.set_draw_target(ProgressDrawTarget::hidden());
            bar.reset();
            if let Ok(mut start) = self.start.lock() {
                *start = Instant::now();
            }
        }
    }
}

/// Prints an error, once, at the edge.
pub(crate) fn error(error: &anyhow::Error) {
    let mut err = anstream::stderr().lock();
    // Standard error that is gone is no reason to fail differently.
    let _ = writeln!(err, "{} {}", owo("error:"), sentence(error));
}

/// An error and its causes, without those that it has said itself.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

fn owo(text: &str) -> String {
    use owo_colors::OwoColorize as _;
    text.red().bold().to_string()
}

pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_the_error_names_is_not_said_twice() {
        let cause = anyhow::anyhow!("no such file");
        let error = cause
            .context("cannot read a.onnx: no such file")
            .context("b");
        assert_eq!(sentence(&error), "b: cannot read a.onnx: no such file");
    }
}
