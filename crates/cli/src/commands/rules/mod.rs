//! `atalaya rules`: detection rules listed, checked, mended, tested, converted, matched, explained.

mod bench;
mod check;
mod convert;
mod explain;
mod files;
mod fix;
mod junit;
mod list;
mod matching;
mod test;

use crate::exit::{Exit, Failure};

/// Look at detection rules, check, mend, test, convert and match them
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Check(check::Args),
    Fix(fix::Args),
    Test(test::Args),
    Convert(convert::Args),
    Match(matching::Args),
    Explain(explain::Args),
    Bench(bench::Args),
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list::run(args),
        Command::Check(args) => check::run(args),
        Command::Fix(args) => fix::run(args),
        Command::Test(args) => test::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Match(args) => matching::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Bench(args) => bench::run(args),
    }
}
