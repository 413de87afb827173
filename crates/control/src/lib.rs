//! Control state in force: what people, runbooks and files decide about calls, kept in the store
//! and handed to the gateway.
//!
//! [`Control`] is the one place that changes it. A change is durable first, then in force, before
//! the method returns; a change by another process (the command line beside a node) is noticed by
//! asking the store for its version every [`WATCH_INTERVAL`]. Both hold from the next call on.
//!
//! Left out: authentication of who asks (the API's work) and the calls themselves (the gateway's).

mod approvals;
mod control;
mod enforcements;
mod error;
mod keys;
mod policies;
mod tokens;

pub use approvals::NewApproval;
pub use control::{Control, Settings, WATCH_INTERVAL};
pub use enforcements::NewEnforcement;
pub use error::ControlError;
pub use keys::{CreatedKey, NewKey, Rotation};
pub use policies::AppliedPolicy;
pub use tokens::{AdminIdentity, CreatedToken};
