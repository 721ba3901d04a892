//! `fanin compare --lesson NAME`: what a bad start does, shown by training.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanin_report::LessonReport;
use fanin_train::Lesson;

use crate::args::CompareArgs;
use crate::commands::write_text;
use crate::interrupt::stop_on_interrupt;
use crate::output::{Printer, Status};

pub(crate) fn run(name: &str, args: &CompareArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let lesson: Lesson = name.trim().parse()?;
    let stop = stop_on_interrupt()?;
    stop_after(&stop, args.budget);
    let progress = printer.progress("training");
    let bar = progress.clone();
    let tell = move |done: usize, all: usize| bar.set(done as u64, all as u64);
    let shown = lesson.run(args.seed, &tell, &stop);
    progress.finish();
    let shown = shown?;
    let report = LessonReport {
        demonstration: &shown,
    };
    if let Some(path) = &args.html {
        write_text(path, &report.html())?;
    }
    if printer.json() {
        printer.print(&report.json())?;
    } else {
        printer.print(&report.terminal())?;
    }
    Ok(Status::Fine)
}

/// Sets the flag once the budget is spent. A lesson has steps of its own, which a budget must not
/// change: its numbers follow from its seed.
fn stop_after(stop: &Arc<AtomicBool>, budget: Duration) {
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        std::thread::sleep(budget);
        stop.store(true, Ordering::Relaxed);
    });
}
