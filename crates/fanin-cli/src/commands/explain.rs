//! `fanin explain [NAME|CODE]`: formula, source, when to use.

use std::fmt::Write as _;

use anyhow::bail;
use fanin::Activation;
use fanin::wording::nearest;
use fanin_check::Page;
use fanin_network::architecture::{Guide, guides};
use fanin_plan::Recipe;
use fanin_train::Lesson;
use serde_json::Value;

use crate::args::ExplainArgs;
use crate::output::{Printer, Status};

pub(crate) fn run(args: &ExplainArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let Some(name) = &args.name else {
        return list(printer);
    };
    let wanted = name.trim().to_lowercase();
    let topics = topics(&wanted);
    if !topics.is_empty() {
        return print(topics, printer);
    }
    if wanted == "operators" {
        return super::operators::run(printer);
    }
    let names: Vec<String> = fanin::catalogue()
        .iter()
        .flat_map(|e| std::iter::once(e.name).chain(e.aliases.iter().copied()))
        .map(str::to_owned)
        .chain(fanin_check::pages().iter().map(|p| p.code.to_string()))
        .chain(guides().iter().map(|guide| guide.name.to_owned()))
        .chain(Recipe::ALL.map(|recipe| recipe.to_string()))
        .chain(Lesson::ALL.map(|lesson| lesson.to_string()))
        .collect();
    match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => {
            bail!("nothing is called `{name}`; did you mean `{near}`? `fanin explain` lists all")
        }
        None => bail!("nothing is called `{name}`; `fanin explain` lists all there is"),
    }
}

/// Something that is explained: as JSON, and as an article.
struct Topic {
    kind: &'static str,
    document: Value,
    title: String,
    sections: Vec<(&'static str, String)>,
}

/// Everything of this name: an initializer and an activation are both called `identity`.
fn topics(wanted: &str) -> Vec<Topic> {
    let entry = fanin::catalogue()
        .iter()
        .find(|e| e.name == wanted || e.aliases.contains(&wanted));
    let page = fanin_check::pages()
        .iter()
        .find(|p| p.code.to_string().eq_ignore_ascii_case(wanted));
    let guide = guides().iter().find(|guide| guide.name == wanted);
    [
        entry.map(initializer),
        page.map(finding),
        wanted.parse().ok().map(explain_activation),
        guide.map(architecture),
        wanted.parse().ok().map(explain_recipe),
        wanted.parse().ok().map(explain_lesson),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// One after the other; as JSON the first, with the others under `also`.
fn print(topics: Vec<Topic>, printer: &Printer) -> anyhow::Result<Status> {
    if printer.json() {
        let mut documents = topics.into_iter().map(|topic| topic.document);
        let mut first = documents.next().unwrap_or_default();
        let also: Vec<Value> = documents.collect();
        if !also.is_empty() {
            first["also"] = also.into();
        }
        printer.print(&format!("{first:#}\n"))?;
        return Ok(Status::Fine);
    }
    for (k, topic) in topics.iter().enumerate() {
        let title = match k {
            0 => topic.title.clone(),
            _ => format!("\n{}, the {}", topic.title, topic.kind),
        };
        article(&title, &topic.sections, printer)?;
    }
    Ok(Status::Fine)
}

/// Everything that can be explained, one line each.
fn list(printer: &Printer) -> anyhow::Result<Status> {
    if printer.json() {
        let document = serde_json::json!({
            "initializers": fanin::catalogue().iter().map(|e| e.name).collect::<Vec<_>>(),
            "activations": Activation::all().map(|a| a.to_string()).collect::<Vec<_>>(),
            "findings": fanin_check::pages().iter().map(|p| p.code.to_string()).collect::<Vec<_>>(),
            "recipes": Recipe::ALL.map(Recipe::name),
            "architectures": guides().iter().map(|guide| guide.name).collect::<Vec<_>>(),
            "lessons": Lesson::ALL.map(Lesson::name),
        });
        printer.print(&format!("{document:#}\n"))?;
        return Ok(Status::Fine);
    }
    let mut text = String::from("Initializers\n");
    // Writing into a String does not fail.
    for entry in fanin::catalogue() {
        let _ = writeln!(text, "  {:<26} {}", entry.name, clipped(entry.formula));
    }
    text.push_str("\nActivations, with the gain that keeps the second moment\n");
    for activation in Activation::all() {
        let name = activation.to_string();
        let _ = writeln!(text, "  {name:<26} {:.7}", activation.gain().value());
    }
    text.push_str("\nFindings\n");
    for page in fanin_check::pages() {
        let _ = writeln!(text, "  {:<26} {}", page.code.to_string(), page.title);
    }
    text.push_str("\nRecipes\n");
    for recipe in Recipe::ALL {
        let _ = writeln!(
            text,
            "  {:<26} {}",
            recipe.name(),
            clipped(recipe.describe())
        );
    }
    text.push_str("\nOne-line architectures\n");
    for guide in guides() {
        let _ = writeln!(text, "  {:<26} {}", guide.name, clipped(guide.form));
    }
    text.push_str("\nLessons, which `fanin compare --lesson NAME` shows by training\n");
    for lesson in Lesson::ALL {
        let _ = writeln!(
            text,
            "  {:<26} {}",
            lesson.name(),
            clipped(lesson.page().title)
        );
    }
    text.push_str(
        "\n`fanin explain NAME` explains one; `fanin explain operators` lists what can be run.\n",
    );
    printer.print(&text)?;
    Ok(Status::Fine)
}

/// The beginning of a text, as much as a line of the list holds.
fn clipped(text: &str) -> String {
    const ROOM: usize = 71;
    if text.chars().count() <= ROOM {
        return text.to_owned();
    }
    let start: String = text.chars().take(ROOM - 1).collect();
    format!("{}…", start.trim_end())
}

fn initializer(entry: &fanin::Entry) -> Topic {
    let document = serde_json::json!({
        "name": entry.name,
        "aliases": entry.aliases,
        "formula": entry.formula,
        "when": entry.when,
        "reference": entry.reference,
        "example": entry.example,
    });
    let mut sections = vec![
        ("Formula", entry.formula.to_owned()),
        ("When", entry.when.to_owned()),
        ("Example", entry.example.to_owned()),
        ("Source", entry.reference.to_owned()),
    ];
    if !entry.aliases.is_empty() {
        sections.insert(0, ("Also called", entry.aliases.join(", ")));
    }
    Topic {
        kind: "initializer",
        document,
        title: entry.name.to_owned(),
        sections,
    }
}

fn finding(page: &Page) -> Topic {
    let document = serde_json::json!({
        "code": page.code.to_string(),
        "title": page.title,
        "what": page.what,
        "why": page.why,
        "judged": page.judged,
        "fix": page.fix,
        "reference": page.reference,
    });
    Topic {
        kind: "finding",
        document,
        title: format!("{}: {}", page.code, page.title),
        sections: vec![
            ("What", page.what.to_owned()),
            ("Why it matters", page.why.to_owned()),
            ("How it is judged", page.judged.to_owned()),
            ("How to mend it", page.fix.to_owned()),
            ("Source", page.reference.to_owned()),
        ],
    }
}

fn explain_activation(activation: Activation) -> Topic {
    let second = fanin::moments::expectation(|z| activation.eval(z).powi(2), 0.0, 1.0);
    let mean = fanin::moments::expectation(|z| activation.eval(z), 0.0, 1.0);
    let slope = fanin::moments::expectation(|z| activation.derivative(z).powi(2), 0.0, 1.0);
    let gain = activation.gain().value();
    let document = serde_json::json!({
        "activation": activation.to_string(),
        "gain": gain,
        "mean": mean,
        "second_moment": second,
        "derivative_second_moment": slope,
        "chi": slope / second,
    });
    Topic {
        kind: "activation",
        document,
        title: activation.to_string(),
        sections: vec![
            (
                "Gain",
                format!(
                    "{gain:.9} = 1/sqrt(E[f(z)^2]), z ~ N(0, 1): a weight of standard deviation gain/sqrt(fan_in) keeps the second moment of the signal at 1"
                ),
            ),
            (
                "Moments",
                format!("E[f] = {mean:.9}, E[f^2] = {second:.9}, E[f'^2] = {slope:.9}"),
            ),
            (
                "Gradient",
                format!(
                    "each layer at this gain multiplies the squared gradient by {:.9} = E[f'^2]/E[f^2]",
                    slope / second
                ),
            ),
        ],
    }
}

fn architecture(guide: &Guide) -> Topic {
    let document = serde_json::json!({
        "architecture": guide.name,
        "what": guide.what,
        "form": guide.form,
        "options": guide.options.lines().collect::<Vec<_>>(),
        "examples": guide.examples,
    });
    Topic {
        kind: "architecture",
        document,
        title: guide.name.to_owned(),
        sections: vec![
            ("What", guide.what.to_owned()),
            ("Form", guide.form.to_owned()),
            ("Options, the default first", guide.options.to_owned()),
            ("Examples", guide.examples.join("\n")),
        ],
    }
}

fn explain_recipe(recipe: Recipe) -> Topic {
    let document = serde_json::json!({
        "recipe": recipe.name(),
        "what": recipe.describe(),
    });
    Topic {
        kind: "recipe",
        document,
        title: recipe.name().to_owned(),
        sections: vec![
            ("Recipe", recipe.describe().to_owned()),
            (
                "See it",
                format!(
                    "fanin plan MODEL --recipe {recipe} prints what it gives each parameter of a model, and why"
                ),
            ),
        ],
    }
}

fn explain_lesson(lesson: Lesson) -> Topic {
    let page = lesson.page();
    let document = serde_json::json!({
        "lesson": lesson.name(),
        "title": page.title,
        "why": page.why,
        "mend": page.mend,
        "source": page.source,
    });
    Topic {
        kind: "lesson",
        document,
        title: format!("{lesson}: {}", page.title),
        sections: vec![
            ("Why", page.why.to_owned()),
            ("What to do", page.mend.to_owned()),
            (
                "See it",
                format!(
                    "fanin compare --lesson {lesson} trains a small network from bad and good starts and tells what it measured"
                ),
            ),
            ("Source", page.source.to_owned()),
        ],
    }
}

/// A title and named sections, wrapped to 88 columns.
fn article(title: &str, sections: &[(&str, String)], printer: &Printer) -> anyhow::Result<Status> {
    use owo_colors::OwoColorize as _;
    let mut text = format!("{}\n", title.bold());
    for (name, body) in sections {
        let _ = write!(text, "\n{}\n", name.bold());
        for paragraph in body.split('\n') {
            let mut column = 2;
            text.push_str("  ");
            for word in paragraph.split_whitespace() {
                let length = word.chars().count();
                if column > 2 && column + 1 + length > 88 {
                    text.push_str("\n  ");
                    column = 2;
                } else if column > 2 {
                    text.push(' ');
                    column += 1;
                }
                text.push_str(word);
                column += length;
            }
            text.push('\n');
        }
    }
    printer.print(&text)?;
    Ok(Status::Fine)
}
