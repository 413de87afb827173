//! The resources, one file each. What a node serves is composed in the server crate.

pub mod approvals;
pub mod enforcements;
pub mod evidence;
pub mod incidents;
pub mod keys;
pub mod node;
pub mod policies;
pub mod runbooks;
pub mod tokens;
pub mod tuning;
