//! Roles by the names they print.

use fanin_network::Role;

use crate::suggest;

/// Every role, in the order in which they are declared.
pub(crate) const ALL: [Role; 24] = [
    Role::Weight,
    Role::Bias,
    Role::NormScale,
    Role::NormShift,
    Role::Embedding,
    Role::PositionEmbedding,
    Role::AttentionQuery,
    Role::AttentionKey,
    Role::AttentionValue,
    Role::AttentionQkv,
    Role::AttentionOutput,
    Role::AttentionBias,
    Role::Gate,
    Role::GateValue,
    Role::RecurrentInput,
    Role::RecurrentHidden,
    Role::RecurrentBias,
    Role::OutputHead,
    Role::BranchScale,
    Role::WeightScale,
    Role::LowRankDown,
    Role::LowRankUp,
    Role::ActivationSlope,
    Role::Other,
];

/// The role of this name, or a sentence with the nearest one.
pub(crate) fn parse(text: &str) -> Result<Role, String> {
    let names: Vec<String> = ALL.iter().map(ToString::to_string).collect();
    match names.iter().position(|name| name == text) {
        Some(k) => Ok(ALL[k]),
        None => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Err(format!(
                "`{text}` is no role; {}",
                suggest::hint(text, &names)
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_back() {
        for role in ALL {
            assert_eq!(parse(&role.to_string()), Ok(role));
        }
        assert_eq!(
            parse("embeding").unwrap_err(),
            "`embeding` is no role; did you mean `embedding`?"
        );
    }
}
