//! `atalaya sources list|show|test`: the mappings of logs of other systems.

use std::path::{Path, PathBuf};

use atalaya_model::SourceFile;
use atalaya_sources::Mapping;

use crate::exit::{Exit, Failure};
use crate::output;

/// Look at the mappings through which logs of other systems become rows, and test your own
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the built-in mappings.
    List,
    /// Print a built-in mapping: the start of your own.
    Show {
        /// Its name.
        name: String,
    },
    /// Hold a mapping to its sample: a folder with mapping.yml, sample.log and expected.yml.
    Test {
        /// The folder; without one, all built-in mappings.
        folder: Option<PathBuf>,
    },
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List => {
            let rows: Vec<Vec<String>> = atalaya_sources::names()
                .map(|(name, table, title)| [name, table, title].map(str::to_owned).to_vec())
                .collect();
            print(&output::table(&["Name", "Table", "Reads"], &rows))
        }
        Command::Show { name } => {
            let found = atalaya_sources::sources()
                .iter()
                .find(|source| source.mapping.starts_with(&format!("name: {name}\n")));
            match found {
                Some(source) => print(source.mapping),
                None => Err(unknown(name)),
            }
        }
        Command::Test { folder: None } => {
            let mut failed = 0;
            for source in atalaya_sources::sources() {
                let name = source.mapping.lines().next().unwrap_or_default();
                failed += test(name, source.mapping, source.sample, source.expected);
            }
            let all = atalaya_sources::sources().len();
            output::note(&format!(
                "{} mappings are right, {failed} are not",
                all - failed
            ));
            Ok(exit(failed))
        }
        Command::Test {
            folder: Some(folder),
        } => {
            let file = |name: &str| text_of(&folder.join(name));
            let (mapping, sample) = (file("mapping.yml")?, file("sample.log")?);
            let failed = test(
                &folder.display().to_string(),
                &mapping,
                &sample,
                &file("expected.yml")?,
            );
            Ok(exit(failed))
        }
    }
}

/// The built-in mapping of that name.
pub(super) fn builtin(name: &str) -> Result<&'static Mapping, Failure> {
    atalaya_sources::find(name).ok_or_else(|| unknown(name))
}

/// A mapping from a file.
pub(super) fn read(path: &Path) -> Result<Mapping, Failure> {
    let text = text_of(path)?;
    Mapping::parse(&text).map_err(|problem| {
        let name = path.display().to_string();
        let source = SourceFile {
            name: &name,
            text: &text,
        };
        Failure::BadInput(source.render(&problem))
    })
}

fn test(name: &str, mapping: &str, sample: &str, expected: &str) -> usize {
    match atalaya_sources::check(mapping, sample, expected) {
        Ok(()) => 0,
        Err(differences) => {
            for difference in differences {
                output::note(&format!("FAILED {name}: {difference}"));
            }
            1
        }
    }
}

const fn exit(failed: usize) -> Exit {
    if failed == 0 { Exit::Fine } else { Exit::Found }
}

fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = atalaya_sources::names().map(|(name, ..)| name).collect();
    Failure::BadInput(format!(
        "error: there is no source {name}; sources are: {}",
        known.join(", ")
    ))
}

fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::world(format!("reading {}", path.display()), error))
}

fn print(text: &str) -> Result<Exit, Failure> {
    output::data(text).map_err(|error| Failure::world("writing it", error))?;
    Ok(Exit::Fine)
}
