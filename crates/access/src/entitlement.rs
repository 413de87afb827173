//! What a caller may use: routes, models, tools. Empty lists mean "any".

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::glob;
use crate::limits::LimitRules;

/// Names that may be used; `*` stands for any text, an empty list for any name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scopes {
    /// Names of routes.
    pub routes: Vec<String>,
    /// Models.
    pub models: Vec<String>,
    /// Tools that may be offered to a model or called.
    pub tools: Vec<String>,
}

impl Scopes {
    /// Whether a route may be used.
    #[must_use]
    pub fn allows_route(&self, name: &str) -> bool {
        self.routes.is_empty() || glob::any(&self.routes, name)
    }

    /// Whether a model may be asked. A call that names no model needs an unlimited scope.
    #[must_use]
    pub fn allows_model(&self, name: &str) -> bool {
        self.models.is_empty() || glob::any(&self.models, name)
    }

    /// Whether a tool may be used.
    #[must_use]
    pub fn allows_tool(&self, name: &str) -> bool {
        self.tools.is_empty() || glob::any(&self.tools, name)
    }
}

/// What a caller or everybody of a team may use, and how much. All that apply hold together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Entitlement {
    /// The caller (`UserId`); `*` stands for any text.
    pub caller: Option<String>,
    /// The team; `*` stands for any text.
    pub team: Option<String>,
    /// What may be used.
    pub scopes: Scopes,
    /// How much: counted for each caller of `caller`, and for all of a team together.
    pub limits: LimitRules,
}

impl Entitlement {
    /// Whether it is about this caller.
    #[must_use]
    pub fn covers(&self, caller: &str, team: &str) -> bool {
        let is = |pattern: &Option<String>, text: &str| {
            pattern
                .as_deref()
                .is_none_or(|pattern| glob::matches(pattern, text))
        };
        is(&self.caller, caller) && is(&self.team, team)
    }
}
