//! Who calls, after authentication.

use crate::entitlement::Scopes;
use crate::limits::LimitRules;

/// How a caller proved who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthenticationMethod {
    /// It did not.
    #[default]
    None,
    /// With a virtual key.
    Key,
    /// With a signed token.
    Jwt,
    /// With a client certificate.
    Certificate,
}

impl AuthenticationMethod {
    /// The name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Key => "key",
            Self::Jwt => "jwt",
            Self::Certificate => "certificate",
        }
    }
}

/// A caller whose identity is known. Empty texts mean "not known".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caller {
    /// How it was proved.
    pub method: AuthenticationMethod,
    /// The principal: `UserId`.
    pub id: String,
    /// Its team.
    pub team: String,
    /// Key id, token id or certificate fingerprint: `CallerKeyId`.
    pub key_id: String,
    /// Agent, where the proof names one: `AgentId`.
    pub agent: String,
    /// What the proof itself allows.
    pub scopes: Scopes,
    /// How much the proof itself allows.
    pub limits: LimitRules,
}
