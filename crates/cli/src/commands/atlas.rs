//! `atalaya atlas show|coverage|export`: ATLAS as facts, and what the rules see of it.

use atalaya_atlas::coverage::Share;
use atalaya_atlas::{Coverage, Resolution};
use atalaya_server::open;

use super::common::Place;
use crate::exit::{Exit, Failure};
use crate::output;

/// Look at MITRE ATLAS techniques and at the rules' coverage of them
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show one technique.
    Show {
        /// Id, e.g. AML.T0051.
        id: String,
    },
    /// Show which techniques have a rule, and why others cannot have one.
    Coverage {
        /// Print everything as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Print a layer for MITRE's ATLAS Navigator.
    Export {
        #[command(flatten)]
        place: Place,
    },
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    let text = match command {
        Command::Show { id } => show(id)?,
        Command::Coverage { json, place } => coverage(*json, place)?,
        Command::Export { place } => {
            let rules = open::rules(&place.load()?)?;
            let layer = atalaya_atlas::navigator::layer(
                atalaya_atlas::release(),
                &rules.titles_by_technique(),
            );
            format!("{layer:#}\n")
        }
    };
    output::data(&text).map_err(|error| Failure::world("writing it", error))?;
    Ok(Exit::Fine)
}

fn show(id: &str) -> Result<String, Failure> {
    let technique = match atalaya_atlas::resolve(id) {
        Resolution::Current(technique) => technique,
        Resolution::Retired {
            successor,
            release,
            note,
        } => {
            output::note(&format!(
                "note: {id} was retired in {release}: {note}; showing {}",
                successor.id
            ));
            successor
        }
        Resolution::Unknown { parent } => {
            let hint =
                parent.map_or_else(String::new, |parent| format!("; there is {}", parent.id));
            return Err(Failure::BadInput(format!(
                "error: ATLAS {} has no technique {id}{hint}",
                atalaya_atlas::release().name()
            )));
        }
    };
    let mut rows = Vec::new();
    let mut push = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    push("Id", technique.id.clone());
    push("Name", technique.name.clone());
    push("Tactics", technique.tactics.join(" "));
    push("ATT&CK", technique.attack.clone().unwrap_or_default());
    push("Since", technique.since.clone());
    push("Page", atalaya_atlas::url(&technique.id));
    if let Some(visibility) = &technique.visibility {
        push("Visibility", visibility.reason());
    }
    Ok(output::table(&["", ""], &rows))
}

fn coverage(json: bool, place: &Place) -> Result<String, Failure> {
    let rules = open::rules(&place.load()?)?;
    let coverage = atalaya_atlas::coverage(atalaya_atlas::release(), &rules.covered_techniques());
    if json {
        let text = serde_json::to_string_pretty(&coverage)
            .map_err(|error| Failure::world("writing the coverage", error))?;
        return Ok(text + "\n");
    }
    Ok(sheet(&coverage))
}

fn sheet(coverage: &Coverage) -> String {
    let share = |what: &str, share: &Share| {
        vec![
            what.to_owned(),
            share.covered.to_string(),
            share.of.to_string(),
        ]
    };
    let rows = [
        share("usable (detectability 3 or more)", &coverage.usable),
        share("visible in logs at all", &coverage.ceiling),
        share("all techniques", &coverage.all),
    ];
    let mut out = format!("ATLAS {}\n", coverage.release);
    out.push_str(&output::table(
        &["Techniques with a rule", "Covered", "Of"],
        &rows,
    ));
    let gaps: Vec<Vec<String>> = coverage
        .gaps
        .iter()
        .map(|gap| {
            vec![
                gap.id.clone(),
                gap.name.clone(),
                gap.build_priority.to_string(),
            ]
        })
        .collect();
    if !gaps.is_empty() {
        out.push_str(&output::table(&["Gap", "Name", "Priority"], &gaps));
    }
    out
}
