//! What a model file would do when it is loaded, told without loading it.
//!
//! Most model formats are programs: a pickle calls what it names, a Keras archive may hold code, a
//! chat template is rendered by an engine. This crate reads the bytes and says what is in them.
//! Nothing is executed, imported or written; files are read through [`Source`], so a scan of a
//! hundred gigabytes needs a window of memory.
//!
//! - The format is told by the first bytes, never by the extension; a mismatch is a finding.
//! - Pickles are walked opcode by opcode, all protocols, against an *allow-list* of globals. A list
//!   of what is bad can always be evaded; what is not known to be harmless is reported.
//! - What cannot be parsed is reported as well: a pickle that breaks after its payload has run is a
//!   known trick, and so is an archive format that scanners do not open.
//! - Archives are opened, also nested ones, within limits; reaching a limit is a finding.
//!
//! Left out: what weights do to a model's behaviour, and archives in 7z, RAR and CAB, Java's and R's
//! serialised objects, which are named as not looked into; native code is named, not looked into.

mod allow;
mod archives;
mod formats;
mod magic;
mod pickle;
mod pins;
mod report;
mod scanner;
mod signature;
mod source;

pub use allow::AllowList;
pub use pins::{PinError, Pins};
pub use report::{Report, ScanFinding, Template, Verdict, code};
pub use scanner::{Limits, Scanner};
pub use signature::{PublicKey, SignatureError, SignedModel, verify_bundle};
pub use source::Source;
