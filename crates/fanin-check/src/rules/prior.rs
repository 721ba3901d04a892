//! F602: the output starts with another prior than the data.

use fanin::Initializer;
use fanin::initializers::{Concat, Constant};

use super::Rule;
use crate::context::{Context, number};
use crate::{Code, Evidence, Finding, Fix, Page, Severity};

const CODE: Code = Code(602);

const PAGE: Page = Page {
    code: CODE,
    title: "classes that are not equally frequent, and a bias that does not say so",
    what: "The classes of the labels given with the data have other frequencies than the softmax of the output's bias.",
    why: "The first steps only teach the network how frequent each class is, with gradients that all point the same way; with rare classes they are large enough to throw the hidden layers off.",
    judged: "The excess of the first loss that the prior alone causes, KL(labels ‖ softmax(bias)) in nats, against \
what n labels of C equally frequent classes leave to luck: (C − 1 + 3.29 √(2(C − 1)))/(2n). Beyond it \
is a note; a warning where the prior costs more than telling the classes apart would, the entropy of \
the labels. Judged only where labels are given.",
    fix: "Start the bias of the last layer at the log of the class frequencies.",
    reference: "Karpathy 2019, A recipe for training neural networks; Lin et al. 2017, arXiv:1708.02002, section 3.3",
};

/// Classes up to which the fix is spelled out.
const SPELLED: usize = 256;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    judge(context).into_iter().collect()
}

fn judge(context: &Context<'_>) -> Option<Finding> {
    let counts = context.options.class_counts.as_ref()?;
    let total: u64 = counts.iter().sum();
    let classes = counts.len();
    let output = context.observation(&context.trace.output.value)?;
    let bias = context.made_by(output).shift;
    let logits = match bias.and_then(|bias| context.weights.get(&bias.name)) {
        Some(tensor) => tensor.to_f32(),
        None => vec![0.0; classes],
    };
    if total == 0 || classes < 2 || logits.len() != classes {
        return None;
    }
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |x: f32| f64::from(x - largest).exp();
    let partition: f64 = logits.iter().map(|&x| weight(x)).sum();
    let (mut excess, mut entropy) = (0.0, 0.0);
    for (&count, &logit) in counts.iter().zip(&logits) {
        let share = count as f64 / total as f64;
        if share > 0.0 {
            excess += share * (share.ln() - f64::from(logit - largest) + partition.ln());
            entropy -= share * share.ln();
        }
    }
    let free = (classes - 1) as f64;
    let luck = fanin_theory::band::DEVIATIONS * (2.0 * free).sqrt();
    let high = (free + luck) / (2.0 * total as f64);
    if excess <= high {
        return None;
    }
    let fix = bias.filter(|_| classes <= SPELLED).map(|bias| Fix {
        parameter: bias.name.clone(),
        initializer: Initializer::from(Concat {
            axis: 0,
            parts: counts
                .iter()
                .map(|&count| {
                    // A class that never came counts as half a sample.
                    let share = (count as f64).max(0.5) / total as f64;
                    let value = share.ln();
                    (1, Initializer::from(Constant { value }))
                })
                .collect(),
        }),
        why: "the log of the class frequencies: the first loss is then that of knowing how frequent each class is (Karpathy 2019)".to_owned(),
    });
    Some(Finding {
        code: CODE,
        severity: if excess > entropy {
            Severity::Warning
        } else {
            Severity::Note
        },
        node: output.node.clone(),
        parameter: bias.map(|bias| bias.name.clone()),
        message: format!(
            "the labels have {} nats of entropy over {classes} classes, and a start at the output's bias costs {} nats more: the first steps only learn how frequent each class is",
            number(entropy),
            number(excess)
        ),
        evidence: Evidence::new(excess, 0.0, [0.0, high]),
        fix,
        further_fixes: Vec::new(),
    })
}
