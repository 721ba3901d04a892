//! F801: no layer was found on the way.

use fanin_network::LayerKind;

use super::Rule;
use crate::context::Context;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(801);

const PAGE: Page = Page {
    code: CODE,
    title: "no layer found between the input and the output",
    what: "The network has weights, but none was recognized as the weight of a layer on the way from the input to the output.",
    why: "Scale, blame and fixes are layer by layer. Where no layer is found, growing and fading signals are not judged, and a check that finds nothing else says nothing.",
    judged: "A layer is a product of the signal with a weight (through casts, reshapes, slices, stacks, joins, weight norm and \
factors), a recurrent operator, or a table that is looked up. If the network has parameters with two axes or more and no value \
between the first input and the output comes out of one, this is a warning.",
    fix: "Export the network with its layers as ONNX's own operators (torch.onnx.export with dynamo=True, optimize=False); tell \
fanin's authors of the operator that hides them.",
    reference: "fanin explain operators",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let weights = context.network.parameters.iter();
    let wide = weights.filter(|p| p.shape.iter().filter(|&&size| size > 1).count() >= 2);
    let known = context
        .layers
        .iter()
        .any(|layer| layer.kind != LayerKind::Table);
    let Some(first) = wide.clone().next().filter(|_| !known) else {
        return Vec::new();
    };
    vec![Finding {
        code: CODE,
        severity: Severity::Warning,
        node: first.purpose.node.clone(),
        parameter: Some(first.name.clone()),
        message: format!(
            "none of the {} weights, the first `{}`, is the weight of a layer that fanin knows between the input and the output: signals are not judged layer by layer",
            wide.count(),
            first.name
        ),
        evidence: Evidence::exact(0.0, 1.0),
        fix: None,
        further_fixes: Vec::new(),
    }]
}
