//! `atalaya policy check FILE`.

use std::path::PathBuf;

use atalaya_policy::Policy;

use crate::commands::{common, control};
use crate::exit::{Exit, Failure};

/// Look for mistakes in a policy file; nothing changes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file.
    file: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let text = common::read(&args.file)?;
    let name = args.file.display().to_string();
    let policy =
        Policy::parse(&text).map_err(|problems| Failure::diagnostics(&name, &text, &problems))?;
    let document = policy.document();
    control::print(&format!(
        "fine: policy {} revision {}, {} rules, {} tool rules, {} allowed findings, sha256:{}\n",
        policy.id(),
        policy.version(),
        document.rules.len(),
        document.tools.rules.len(),
        document.allowlist.len(),
        policy.hash()
    ))
}
