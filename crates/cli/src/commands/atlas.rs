//! `atalaya atlas`: techniques, what rules cover of them, and what to deal with first.

mod coverage;
mod priorities;

use std::path::PathBuf;

use atalaya_atlas::navigator::{self, LayerFormat};
use atalaya_atlas::{Release, Resolution};
use atalaya_server::config::Config;
use atalaya_server::open;

use super::common::{self, Place};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Look at MITRE ATLAS techniques and at the rules' coverage of them
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List techniques.
    List {
        /// Only those of a tactic, by id or name.
        #[arg(long)]
        tactic: Option<String>,
        /// Output format; a table on a terminal, NDJSON in a pipe.
        #[arg(long)]
        format: Option<Format>,
        #[command(flatten)]
        release: ReleaseArgs,
    },
    /// Show one technique: by id, or by a name that it has or had.
    Show {
        /// Id, e.g. AML.T0051, or name.
        id: String,
        #[command(flatten)]
        release: ReleaseArgs,
    },
    /// Show the matrix: tactics, and which techniques have a rule.
    Matrix {
        #[command(flatten)]
        release: ReleaseArgs,
    },
    /// Show which techniques have a rule, and why others cannot have one.
    Coverage {
        /// Print everything as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        release: ReleaseArgs,
    },
    /// Show what to deal with first: three tiers, risk and build order apart, with reasons.
    Priorities {
        /// Print everything as JSON.
        #[arg(long)]
        json: bool,
        /// Days of own alert history that are counted.
        #[arg(long, default_value_t = 90)]
        days: u32,
        #[command(flatten)]
        release: ReleaseArgs,
    },
    /// Print a layer for MITRE's ATLAS Navigator.
    Export {
        /// Layer format 4.5 in place of 4.3, for a Navigator of your own.
        #[arg(long)]
        layer_4_5: bool,
        #[command(flatten)]
        release: ReleaseArgs,
    },
}

/// Which release.
#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    /// MITRE's YAML (format 5 or 6) in place of the built-in release; wins over the configuration.
    #[arg(long, value_name = "FILE")]
    release: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// A release and the configuration that named it.
struct Opened {
    config: Config,
    own: Option<Release>,
}

impl Opened {
    fn release(&self) -> &Release {
        self.own
            .as_ref()
            .unwrap_or_else(|| atalaya_atlas::release())
    }
}

impl ReleaseArgs {
    fn open(&self) -> Result<Opened, Failure> {
        let config = self.place.load()?;
        let file = self.release.as_ref().or(config.atlas.release.as_ref());
        let own = match file {
            None => None,
            Some(path) => {
                let loaded = atalaya_atlas::load(&common::read(path)?).map_err(|error| {
                    Failure::BadInput(format!("error: {}: {error}", path.display()))
                })?;
                for remark in &loaded.remarks {
                    output::note(&format!("note: {}: {remark}", path.display()));
                }
                Some(loaded.release)
            }
        };
        Ok(Opened { config, own })
    }
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    let text = match command {
        Command::List {
            tactic,
            format,
            release,
        } => list(release.open()?.release(), tactic.as_deref(), *format)?,
        Command::Show { id, release } => show(release.open()?.release(), id)?,
        Command::Matrix { release } => {
            let opened = release.open()?;
            let covered = open::rules(&opened.config)?.covered_techniques();
            matrix(opened.release(), &covered)
        }
        Command::Coverage { json, release } => coverage::run(&release.open()?, *json)?,
        Command::Priorities {
            json,
            days,
            release,
        } => priorities::run(&release.open()?, *json, *days)?,
        Command::Export { layer_4_5, release } => {
            let opened = release.open()?;
            let rules = open::rules(&opened.config)?.titles_by_technique();
            let format = if *layer_4_5 {
                LayerFormat::V45
            } else {
                LayerFormat::V43
            };
            format!("{:#}\n", navigator::layer(opened.release(), &rules, format))
        }
    };
    output::data(&text).map_err(|error| Failure::world("writing it", error))?;
    Ok(Exit::Fine)
}

fn list(
    release: &Release,
    tactic: Option<&str>,
    format: Option<Format>,
) -> Result<String, Failure> {
    let wanted = match tactic {
        None => None,
        Some(text) => {
            let named = release.tactics().iter().find(|known| {
                known.id.eq_ignore_ascii_case(text)
                    || known.name.eq_ignore_ascii_case(text)
                    || known.shortname.eq_ignore_ascii_case(text)
            });
            let known = || release.tactics().iter().map(|t| t.shortname.as_str());
            let names = || known().collect::<Vec<_>>().join(", ");
            Some(named.ok_or_else(|| {
                Failure::BadInput(format!("error: no tactic {text}; there are: {}", names()))
            })?)
        }
    };
    let header = [
        "Id",
        "Name",
        "Tactics",
        "Maturity",
        "ATT&CK",
        "Visibility",
        "D",
    ];
    let rows: Vec<Vec<String>> = release
        .techniques()
        .iter()
        .filter(|t| wanted.is_none_or(|tactic| t.tactics.contains(&tactic.id)))
        .map(|t| {
            let visibility = t.visibility.as_ref();
            vec![
                t.id.clone(),
                t.name.clone(),
                t.tactics.join(" "),
                t.maturity
                    .map_or("", atalaya_atlas::Maturity::as_str)
                    .to_owned(),
                t.attack.clone().unwrap_or_default(),
                visibility.map_or_else(String::new, |v| format!("{:?}", v.rating).to_lowercase()),
                visibility.map_or_else(String::new, |v| v.detectability.to_string()),
            ]
        })
        .collect();
    Ok(match Format::or_default(format) {
        Format::Table => output::table(&header, &rows),
        Format::Csv => output::csv(&header, &rows),
        Format::Json => json_of(release.techniques())?,
        Format::Ndjson => release
            .techniques()
            .iter()
            .filter(|t| wanted.is_none_or(|tactic| t.tactics.contains(&tactic.id)))
            .filter_map(|t| serde_json::to_string(t).ok())
            .map(|line| line + "\n")
            .collect(),
    })
}

fn show(release: &Release, text: &str) -> Result<String, Failure> {
    // A name, also a former one, leads to its id.
    let named = release.ids_named(text).find(|id| id.starts_with("AML.T"));
    let id = named.unwrap_or(text);
    let technique = match release.resolve(id) {
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
                "error: ATLAS {} has no technique {text}{hint}",
                release.name()
            )));
        }
    };
    let mut rows = Vec::new();
    let mut push = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    push("Release", release.name().to_owned());
    push("Id", technique.id.clone());
    push("Name", technique.name.clone());
    push(
        "Parent",
        technique.parent_id().unwrap_or_default().to_owned(),
    );
    push("Tactics", technique.tactics.join(" "));
    let maturity = technique
        .maturity
        .map_or("unknown", atalaya_atlas::Maturity::as_str);
    push("Maturity", maturity.to_owned());
    push("ATT&CK", technique.attack.clone().unwrap_or_default());
    push("Since", technique.since.clone());
    push("Page", atalaya_atlas::url(&technique.id));
    if let Some(visibility) = &technique.visibility {
        let sources = visibility.sources.iter().map(|source| source.table());
        push("Seen in", sources.collect::<Vec<_>>().join(" "));
        push("Visibility", visibility.reason());
        push("Risk", visibility.risk().to_string());
        push("Build priority", visibility.build_priority().to_string());
        push(
            "No rule because",
            visibility.why_not().unwrap_or_default().to_owned(),
        );
    }
    rows.retain(|row| row.get(1).is_some_and(|value| !value.is_empty()));
    Ok(output::table(&["", ""], &rows))
}

/// One block per tactic; `+` has a tested rule, `-` could have one, `.` leaves no trace.
fn matrix(release: &Release, covered: &std::collections::BTreeSet<String>) -> String {
    let mut out = format!(
        "ATLAS {}: + has a tested rule, - could have one, . leaves no trace in the four log sources\n",
        release.name()
    );
    for tactic in release.tactics() {
        out.push_str(&format!("\n{} {}\n", tactic.id, tactic.name));
        let of_tactic = release.techniques().iter();
        for technique in of_tactic.filter(|t| t.tactics.contains(&tactic.id)) {
            let visible = technique.visibility.as_ref();
            let mark = if covered.contains(&technique.id) {
                '+'
            } else if visible.is_none_or(atalaya_atlas::Visibility::is_within_ceiling) {
                '-'
            } else {
                '.'
            };
            let indent = if technique.is_sub_technique() {
                "    "
            } else {
                "  "
            };
            out.push_str(&format!(
                "{indent}{mark} {} {}\n",
                technique.id, technique.name
            ));
        }
    }
    out
}

fn json_of(value: &(impl serde::Serialize + ?Sized)) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Failure::world("writing JSON", error))
}
