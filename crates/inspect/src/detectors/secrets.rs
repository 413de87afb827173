//! Credentials: formats of providers, and values that look random in places where secrets
//! stand. The formats are data (`secrets/patterns.yml`); the checks that separate a token from
//! an example of one are code.

pub(crate) mod checks;
