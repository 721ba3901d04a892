//! The user's own rules, which win over the recipe.

use std::fmt;

use fanin::Initializer;
use fanin_network::{Network, Parameter, Role};

use crate::glob::Glob;
use crate::text::fields::{Fields, Text};
use crate::{PlanError, role_name};

/// Rules of the user, read from TOML:
///
/// ```
/// # use fanin_plan::Rules;
/// let rules = Rules::parse(r#"
/// [[rule]]
/// match = "encoder.*.weight"        # a glob over names; * also crosses dots and slashes
/// initializer = "orthogonal"
///
/// [[rule]]
/// role = "embedding"                # as `fanin plan` prints roles
/// initializer = "normal(std=0.01)"
/// reason = "the tokenizer has many rare words"
/// "#)?;
/// assert_eq!(rules.len(), 2);
/// # Ok::<(), fanin_plan::PlanError>(())
/// ```
///
/// A rule has `match`, `role` or both; with both, both must hold. Where several rules match a
/// parameter the last one wins, so general rules come first and exceptions after them. In a glob `*`
/// stands for any text, `?` for one character, `[ab]` for one of several, `{a,b}` for either; a
/// parameter also matches by its aliases.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The line in the text at which it begins, counted from 1.
    pub line: usize,
    pattern: Option<Glob>,
    role: Option<Role>,
    /// What a matching parameter is filled with.
    pub initializer: Initializer,
    /// The user's reason.
    pub reason: Option<String>,
}

impl Rules {
    /// Reads rules.
    ///
    /// # Errors
    ///
    /// [`PlanError::Text`] with line and field: not TOML, an unknown field, a glob, role or
    /// initializer that does not exist, or a rule that would match everything.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let (text, root) = Text::parse(text, "the rules")?;
        let fields = Fields::new(text, root.get_ref(), 0..0, "", &["rule"])?;
        let rules = fields
            .tables("rule")?
            .into_iter()
            .enumerate()
            .map(|(number, (table, at))| {
                let line = text.line(at.start);
                let fields = Fields::new(
                    text,
                    table,
                    at,
                    format!("rule {}", number + 1),
                    &["match", "role", "initializer", "reason"],
                )?;
                Rule::read(&fields, line)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule that decides about a parameter: the last one that matches.
    pub fn decide(&self, parameter: &Parameter) -> Option<&Rule> {
        self.rules.iter().rev().find(|rule| rule.matches(parameter))
    }

    /// The rules that match no parameter of the network.
    pub(crate) fn unmatched(&self, network: &Network) -> Vec<Warning> {
        self.rules
            .iter()
            .filter(|rule| !network.parameters.iter().any(|p| rule.matches(p)))
            .map(|rule| Warning::RuleMatchesNothing {
                line: rule.line,
                rule: rule.to_string(),
            })
            .collect()
    }
}

impl Rule {
    fn read(fields: &Fields<'_, '_>, line: usize) -> Result<Self, PlanError> {
        let pattern = fields
            .optional_string("match")?
            .map(|glob| Glob::new(glob).map_err(|error| fields.error("match", error)))
            .transpose()?;
        let role = fields
            .optional_string("role")?
            .map(|role| role_name::parse(role).map_err(|message| fields.error("role", message)))
            .transpose()?;
        if pattern.is_none() && role.is_none() {
            return Err(fields.error(
                "match",
                "missing; write match = \"NAME GLOB\" or role = \"ROLE\" (match = \"*\" for every parameter)",
            ));
        }
        let initializer = fields
            .string("initializer")?
            .parse::<Initializer>()
            .map_err(|error| fields.error("initializer", error.to_string()))?;
        Ok(Self {
            line,
            pattern,
            role,
            initializer,
            reason: fields.optional_string("reason")?.map(str::to_owned),
        })
    }

    fn matches(&self, parameter: &Parameter) -> bool {
        let name = self.pattern.as_ref().is_none_or(|glob| {
            glob.is_match(&parameter.name)
                || parameter.aliases.iter().any(|alias| glob.is_match(alias))
        });
        name && self.role.is_none_or(|role| role == parameter.purpose.role)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.pattern, self.role) {
            (Some(glob), Some(role)) => write!(f, "match \"{glob}\" and role {role}"),
            (Some(glob), None) => write!(f, "match \"{glob}\""),
            (None, Some(role)) => write!(f, "role {role}"),
            (None, None) => f.write_str("any parameter"),
        }
    }
}

/// Something the user should know although the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A rule of the user had no effect.
    RuleMatchesNothing {
        /// The line at which it begins.
        line: usize,
        /// What it asks for.
        rule: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuleMatchesNothing { line, rule } => write!(
                f,
                "the rule at line {line} ({rule}) matches no parameter of this network"
            ),
        }
    }
}
