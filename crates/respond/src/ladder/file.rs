//! Ladder files: built-in ones, overlaid by those of the user.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use atalaya_model::{Decision, Diagnostic, Severity, SourceFile, Span};
use serde::Deserialize;
use serde_json::Value;

use super::{Ladder, Match, Meaning, Rung};
use crate::context::{ENTITY_KINDS, kind_of};
use crate::duration;
use crate::ids::sha256_hex;

const BUILTIN: &[&str] = &[
    include_str!("../../../../ladders/burst.yml"),
    include_str!("../../../../ladders/data-leak.yml"),
    include_str!("../../../../ladders/extraction.yml"),
    include_str!("../../../../ladders/prompt-injection.yml"),
    include_str!("../../../../ladders/tool-abuse.yml"),
];
/// Largest ladder file, bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Most rungs.
const RUNGS_MAX: usize = 16;
/// Highest rung, and so most hits that are kept per entity.
const AT_MAX: u32 = 10_000;
/// Longest window.
const WINDOW_MAX: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    version: Option<Value>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(rename = "match")]
    matches: MatchEntry,
    by: String,
    window: String,
    rungs: Vec<RungEntry>,
    #[serde(default)]
    techniques: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchEntry {
    #[serde(default)]
    decisions: Vec<Decision>,
    #[serde(default)]
    detections: Vec<String>,
    #[serde(default)]
    techniques: Vec<String>,
    #[serde(default)]
    score_min: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RungEntry {
    at: u32,
    then: String,
    #[serde(default)]
    severity: Option<Severity>,
}

pub(super) fn parse(text: &str) -> Result<Ladder, Vec<Diagnostic>> {
    let file: File = atalaya_yaml::parse(text).map_err(|d| vec![*d])?;
    let mut problems = Vec::new();
    let mut problem = |place: &str, message: String, help: &str| {
        let at = text.find(place).unwrap_or(0);
        let span = Span::new(at, at + place.len());
        problems.push(Diagnostic::error("LAD001", span, message).with_help(help));
    };
    let by = kind_of(&file.by).unwrap_or_else(|| {
        let names: Vec<&str> = ENTITY_KINDS.iter().map(|(_, name)| *name).collect();
        let message = format!("`by: {}` is no kind of entity", file.by);
        problem(&file.by, message, &format!("one of {}", names.join(", ")));
        atalaya_model::EntityKind::Caller
    });
    let window = duration::parse(&file.window).unwrap_or_default();
    if window.is_zero() || window > WINDOW_MAX {
        let message = format!("`window: {}` is no time up to 24h", file.window);
        problem(&file.window, message, "write e.g. 10s, 5m, 1h");
    }
    for id in file.techniques.iter().chain(&file.matches.techniques) {
        if atalaya_atlas::technique(id).is_none() {
            let message = format!("no ATLAS release knows {id}");
            problem(id, message, "see `atalaya atlas coverage`");
        }
    }
    for name in &file.matches.detections {
        if atalaya_model::ThreatCategory::parse(name).is_none() {
            let message = format!("`{name}` is no value of ThreatDetection");
            problem(name, message, "e.g. prompt_injection, jailbreak, secret");
        }
    }
    let rungs = rungs(&file.rungs, &mut problem);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Ladder {
        id: file.id,
        title: file.title,
        description: file.description,
        version: match file.version {
            Some(Value::String(version)) => version,
            Some(other) => other.to_string(),
            None => "0.0.0".to_owned(),
        },
        hash: sha256_hex(text.as_bytes()),
        enabled: file.enabled.unwrap_or(true),
        matches: Match {
            decisions: file.matches.decisions,
            detections: file.matches.detections,
            techniques: file.matches.techniques,
            score_min: file.matches.score_min,
        },
        by,
        window,
        rungs,
        techniques: file.techniques,
        text: text.to_owned(),
    })
}

fn rungs(entries: &[RungEntry], problem: &mut dyn FnMut(&str, String, &str)) -> Vec<Rung> {
    if entries.is_empty() || entries.len() > RUNGS_MAX {
        let message = format!("a ladder has 1 to {RUNGS_MAX} rungs");
        problem("rungs", message, "add or remove some");
    }
    if !entries.windows(2).all(|pair| pair[0].at < pair[1].at) {
        let message = "rungs must rise".to_owned();
        problem("rungs", message, "sort them by `at`, each once");
    }
    entries
        .iter()
        .map(|entry| {
            let meaning = match entry.then.as_str() {
                "log" => Meaning::Log,
                "alert" => Meaning::Alert,
                "incident" => Meaning::Incident,
                other => {
                    let message = format!("`then: {other}` is not known");
                    problem(other, message, "one of log, alert, incident");
                    Meaning::Log
                }
            };
            if entry.at == 0 || entry.at > AT_MAX {
                let message = format!("`at: {}` is not 1 to {AT_MAX}", entry.at);
                problem("at", message, "name a number of hits");
            }
            Rung {
                at: entry.at,
                meaning,
                severity: entry.severity.unwrap_or(match meaning {
                    Meaning::Log => Severity::Informational,
                    Meaning::Alert => Severity::Medium,
                    Meaning::Incident => Severity::High,
                }),
            }
        })
        .collect()
}

/// A ladder file that is wrong.
#[derive(Clone, Debug)]
pub struct LadderProblem {
    /// The remark, rendered with the line it is about.
    pub text: String,
}

/// The ladders in force.
#[derive(Clone, Debug, Default)]
pub struct Ladders {
    ladders: BTreeMap<String, Arc<Ladder>>,
    problems: Vec<LadderProblem>,
}

impl Ladders {
    /// The ladders that are compiled in.
    #[must_use]
    pub fn builtin() -> Self {
        let mut ladders = Self::default();
        for text in BUILTIN {
            ladders.add("builtin", text);
        }
        ladders
    }

    /// Adds every YAML file of a folder; one with the id of another replaces it.
    pub fn add_folder(&mut self, folder: &Path) {
        let mut files: Vec<_> = match std::fs::read_dir(folder) {
            Ok(entries) => entries.filter_map(Result::ok).map(|e| e.path()).collect(),
            Err(error) => {
                let text = format!("error: cannot read {}: {error}", folder.display());
                return self.problems.push(LadderProblem { text });
            }
        };
        files.retain(|path| path.extension().is_some_and(|e| e == "yml" || e == "yaml"));
        files.sort();
        for path in files {
            let size = std::fs::metadata(&path).map_or(0, |m| m.len());
            match std::fs::read_to_string(&path) {
                Ok(text) if size <= FILE_BYTES_MAX => self.add(&path.display().to_string(), &text),
                Ok(_) => self.problems.push(LadderProblem {
                    text: format!("error: {} is too large", path.display()),
                }),
                Err(error) => self.problems.push(LadderProblem {
                    text: format!("error: cannot read {}: {error}", path.display()),
                }),
            }
        }
    }

    /// Adds a ladder from its text; one with the same id is replaced.
    pub fn add(&mut self, file: &str, text: &str) {
        match Ladder::parse(text) {
            Ok(ladder) => {
                self.ladders.insert(ladder.id.clone(), Arc::new(ladder));
            }
            Err(diagnostics) => {
                let source = SourceFile { name: file, text };
                self.problems
                    .extend(diagnostics.iter().map(|d| LadderProblem {
                        text: source.render(d),
                    }));
            }
        }
    }

    /// Ladders by id.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Ladder>> {
        self.ladders.values().cloned().collect()
    }

    /// The ladder of an id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Arc<Ladder>> {
        self.ladders.get(id)
    }

    /// What is wrong with files.
    #[must_use]
    pub fn problems(&self) -> &[LadderProblem] {
        &self.problems
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn builtin_ladders_are_right() {
        let ladders = super::Ladders::builtin();
        assert!(ladders.problems().is_empty(), "{:?}", ladders.problems());
        assert_eq!(ladders.all().len(), super::BUILTIN.len());
    }
}
