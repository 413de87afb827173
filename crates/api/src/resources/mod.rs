//! The resources, one file each. What a node serves is composed in the server crate.

pub mod approvals;
pub mod enforcements;
pub mod keys;
pub mod node;
pub mod policies;
pub mod tokens;
