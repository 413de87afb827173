//! Who may call, what they may call, how much, and who is stopped.
//!
//! [`Access`] is what a gateway asks on every call: the virtual keys, entitlements and
//! enforcements in force are one immutable [`Snapshot`] that is swapped as a whole, so that asking
//! costs a hash and a few look-ups, and a change holds from the next call on.
//!
//! Pure: time is handed in, and nothing is read or written. Keeping these things is the store's
//! work, handing them out the control crate's.

mod access;
mod approval;
mod caller;
mod cidr;
mod enforcement;
mod entitlement;
mod glob;
mod jwt;
mod key;
mod limits;
mod snapshot;
mod window;

pub use access::{Access, Permit, key_subject};
pub use approval::{Approval, ApprovalStatus};
pub use caller::{AuthenticationMethod, Caller};
pub use cidr::Cidr;
pub use enforcement::{
    EFFECTS, Effect, Enforcement, RateLimit, Subject, SubjectKind, TEXT_BYTES_MAX,
};
pub use entitlement::{Entitlement, Scopes};
pub use glob::matches as glob_matches;
pub use jwt::{Claims, Issuer, JwtError, KeySet};
pub use key::{KEY_MARK, KeyHash, KeySecret, KeyState, VirtualKey, new_secret};
pub use limits::{Charge, LimitRules, Meter, MeterState, RateExceeded, Remaining, Usage};
pub use snapshot::Snapshot;
