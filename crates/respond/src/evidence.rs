//! Evidence: a bundle that says what happened, and can be checked by who trusts nobody here.
//!
//! A bundle is one file, a plain tar archive: the log's records as they were written, with the
//! links of the hash chain that they hang in, the alerts, the incident, the rules and policies in
//! the versions that decided, and the chain of custody. A manifest names every file with its
//! SHA-256; the manifest is signed with the node's Ed25519 key. [`verify`] needs nothing but the
//! file, and, to know *whose* signature it is, the public key from somewhere else.
//!
//! The archive has exactly one valid form: the verifier writes it again from what it read, and
//! compares every byte. So there is no byte in a bundle, padding included, that can be changed
//! without the verification failing.
//!
//! Trade-off: the chain is linear, so the records of a bundle are proven against their
//! predecessors' hashes and the head that was verified at creation, not against records of others,
//! which are none of the investigator's business.

mod archive;
mod bundle;
mod collect;
mod custody;
mod hold;
mod key;

pub use bundle::{Manifest, VerifiedBundle, VerifyError, build, verify};
pub use collect::{CollectError, Collected, Link, Selection, collect};
pub use custody::{check as check_custody, record as record_custody};
pub use hold::{Hold, active_holds, holds, release, set_hold};
pub use key::{KeyError, SigningKey};

/// Most records of one bundle.
pub const RECORDS_MAX: usize = 200_000;
/// Most bytes of one bundle.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;
/// Most records that are kept because of their caller, besides those that were named.
pub const CALLER_RECORDS_MAX: usize = 5_000;
