//! What would have happened: changed rules, ladders, allowlists or policy, run over the stored log.
//!
//! Nothing is changed and nobody is alerted. Rules run in a store of their own over the same
//! windows as if they were catching up; ladders count every decision again. A changed policy, or
//! changed detectors, decide again: about the text where it was stored, inspected with the
//! detectors of now; else about the findings that were logged, and its text is `Unjudged`. What
//! they decide otherwise is counted on the ladders, so that alerts that come and go are shown too.
//!
//! Limits: windows of rules lie side by side, so a rule's count does not reach across two of them,
//! for the rules of now and the changed ones alike; scheduled rules read the decisions that were
//! logged, not those that a changed policy would make; what a conversation was scored is taken from
//! the log.

mod decisions;
mod inspect;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atalaya_detect::{RuleCatalogue, Scheduler, SchedulerConfig};
use atalaya_model::{Alert, Timestamp};
use atalaya_policy::Policy;
use atalaya_query::Engine;
use atalaya_respond::ladder::{Counters, Ladder, Ladders, Seen};
use atalaya_respond::tuning::allow::Allowlist;
use atalaya_store::{AlertFilter, DocumentStore, RuleState, SqliteStore, Store};
use serde::Serialize;

use crate::adapters::RuleEngine;
use crate::config::Config;
use crate::open::{self, OpenError};
use crate::respond;

pub use decisions::{DecisionChange, Logged, history};
use inspect::Again;

/// Most changes that are listed one by one.
const CHANGES_LISTED_MAX: usize = 200;

/// What is replayed.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Folder or file with changed rules and ladders; those in force if there is none.
    pub rules: Option<PathBuf>,
    /// A changed policy.
    pub policy: Option<PathBuf>,
    /// Changed detectors: pattern files and STIX bundles beside the built-in ones, in place of
    /// those of the configuration.
    pub detectors: Vec<PathBuf>,
    /// Judges the findings of then, also where the text is stored.
    pub logged_findings: bool,
    /// How far back.
    pub since: Duration,
    /// Leaves scheduled rules out, and with them the slow part.
    pub ladders_only: bool,
}

/// Alerts about the same thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Story {
    /// Rule or ladder.
    pub rule_id: String,
    /// `caller=mallory address=192.0.2.7`.
    pub entities: String,
}

/// A story before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AlertChange {
    /// The story.
    #[serde(flatten)]
    pub story: Story,
    /// `new`, `gone`, `more`, `fewer`.
    pub change: &'static str,
    /// Alerts before.
    pub before: usize,
    /// Alerts after.
    pub after: usize,
}

/// The difference.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Difference {
    /// From here on.
    pub since: String,
    /// What is compared with: `recorded` alerts, or `current` rules run again.
    pub compared_with: &'static str,
    /// Decisions that were read.
    pub decisions: usize,
    /// Whether there were more than are read.
    pub truncated: bool,
    /// Alerts before.
    pub alerts_before: usize,
    /// Alerts after.
    pub alerts_after: usize,
    /// Stories that changed.
    pub alerts: Vec<AlertChange>,
    /// Decisions whose stored text was inspected again.
    pub reinspected: usize,
    /// Decisions whose text is not stored: `Unjudged` by the detectors of now. A changed policy was
    /// asked about the findings of then; changed detectors were not asked at all.
    pub unjudged: usize,
    /// Decisions that would be made otherwise: from → to → number.
    pub decision_changes: BTreeMap<String, usize>,
    /// Some of them.
    pub decision_examples: Vec<DecisionChange>,
    /// Rules that could not be run, with the reason.
    pub failures: Vec<String>,
}

impl Difference {
    /// Whether anything would be otherwise.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.decision_changes.is_empty()
    }
}

/// Rules and ladders of one side.
struct Content {
    rules: RuleCatalogue,
    ladders: Vec<Arc<Ladder>>,
}

/// Replays.
///
/// # Errors
/// If a file is wrong, or the log cannot be read.
pub async fn replay(config: &Config, request: &Request) -> Result<Difference, OpenError> {
    let now = Timestamp::now();
    let micros = i64::try_from(request.since.as_micros()).unwrap_or(i64::MAX);
    let since = Timestamp(now.0.saturating_sub(micros));
    let store = Arc::new(open::store(config)?);
    let allowed = Allowlist::load(store.as_ref() as &dyn DocumentStore)
        .await
        .map_err(|error| OpenError::world("reading the allowlist", error))?;
    let config_of_tables = config.clone();
    let engine = tokio::task::spawn_blocking(move || {
        let tables = open::tables_to_look_at(&config_of_tables)?;
        open::engine(&config_of_tables, tables)
    })
    .await
    .map_err(|error| OpenError::world("opening the tables", error))??;
    let engine = Arc::new(engine);
    let (logged, truncated) = history(&engine, since, now).await?;
    let mut difference = Difference {
        since: since.to_rfc3339(),
        decisions: logged.len(),
        truncated,
        ..Difference::default()
    };
    let decides_again = request.policy.is_some() || !request.detectors.is_empty();
    let decided = if decides_again {
        let policy = match &request.policy {
            Some(path) => policy(path)?,
            None => open::policy(config)?,
        };
        let again = again(config, request, &engine, (since, now)).await?;
        let decided = decisions::compare(&logged, &policy, &again, &mut difference);
        if request.logged_findings {
            // Nobody asked what today's detectors say.
            difference.unjudged = 0;
        }
        decided
    } else {
        Vec::new()
    };
    let runner = Runner {
        engine,
        logged: &logged,
        decided: decides_again.then_some(decided.as_slice()),
        allowed: &allowed,
        window: (since, now),
        ladders_only: request.ladders_only,
    };
    let (before, after) = runner
        .both(
            config,
            request.rules.as_deref(),
            store.as_ref(),
            &mut difference,
        )
        .await?;
    difference.alerts_before = before.values().sum();
    difference.alerts_after = after.values().sum();
    difference.alerts = changes(&before, &after);
    Ok(difference)
}

/// Verdicts of the detectors of now about stored texts.
async fn again(
    config: &Config,
    request: &Request,
    engine: &Engine,
    window: (Timestamp, Timestamp),
) -> Result<Again, OpenError> {
    let texts_only = !request.detectors.is_empty();
    if request.logged_findings && !texts_only {
        return Ok(Again::default());
    }
    let mut config = config.clone();
    if texts_only {
        config.detectors.clone_from(&request.detectors);
    }
    let inspector = open::inspector(&config)?;
    let verdicts = inspect::inspect(engine, &inspector, window).await?;
    Ok(Again {
        verdicts,
        texts_only,
    })
}

fn policy(path: &Path) -> Result<Policy, OpenError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        OpenError::BadInput(format!("error: cannot read {}: {error}", path.display()))
    })?;
    Policy::parse(&text).map_err(|problems| {
        let name = path.display().to_string();
        let source = atalaya_model::SourceFile {
            name: &name,
            text: &text,
        };
        let rendered: Vec<String> = problems.iter().map(|p| source.render(p)).collect();
        OpenError::BadInput(rendered.join("\n"))
    })
}

/// What is in force of the changed rules and ladders, and the changed ones.
fn contents(config: &Config, path: &Path) -> Result<(Content, Content), OpenError> {
    let mut rules = RuleCatalogue::default();
    let mut ladders = Ladders::default();
    let files = if path.is_dir() {
        yaml_files(path)?
    } else {
        vec![path.to_owned()]
    };
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|error| {
            OpenError::BadInput(format!("error: cannot read {}: {error}", file.display()))
        })?;
        // A ladder has rungs, and nothing else has.
        if text.lines().any(|line| line.starts_with("rungs:")) {
            ladders.add(&file.display().to_string(), &text);
        } else {
            rules.add_file(file);
        }
    }
    let mut wrong: Vec<String> = rules
        .problems()
        .iter()
        .filter(|problem| problem.is_error())
        .map(atalaya_detect::RuleProblem::render)
        .collect();
    wrong.extend(
        ladders
            .problems()
            .iter()
            .map(|problem| problem.text.clone()),
    );
    if !wrong.is_empty() {
        return Err(OpenError::BadInput(wrong.join("\n")));
    }
    let mut current = Content {
        rules: open::rules(config)?,
        ladders: respond::ladders(config)?.all(),
    };
    let named: BTreeSet<String> = rules.rules().map(|rule| rule.id.clone()).collect();
    let others: Vec<String> = current
        .rules
        .rules()
        .filter(|rule| !named.contains(&rule.id))
        .map(|rule| rule.id.clone())
        .collect();
    for id in others {
        current.rules.disable(&id);
    }
    let ladders = ladders.all();
    current
        .ladders
        .retain(|ladder| ladders.iter().any(|changed| changed.id == ladder.id));
    Ok((current, Content { rules, ladders }))
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        OpenError::BadInput(format!("error: cannot read {}: {error}", folder.display()))
    })?;
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
        is_yaml && !name.ends_with(".test.yml") && !name.ends_with(".meta.yml")
    });
    files.sort();
    Ok(files)
}

type Stories = BTreeMap<Story, usize>;

fn story(alert: &Alert) -> Story {
    let mut entities: Vec<String> = alert
        .entities
        .iter()
        .map(|e| {
            format!(
                "{}={}",
                atalaya_respond::context::kind_name(e.kind),
                e.value
            )
        })
        .collect();
    entities.sort();
    // What is counted by somebody is about them, whatever else the last call named.
    if alert.details.contains_key("Rung") {
        let first = alert.entities.first();
        entities = first
            .map(|e| {
                format!(
                    "{}={}",
                    atalaya_respond::context::kind_name(e.kind),
                    e.value
                )
            })
            .into_iter()
            .collect();
    }
    Story {
        rule_id: alert.rule_id.clone(),
        entities: entities.join(" "),
    }
}

async fn recorded(
    store: &SqliteStore,
    since: Timestamp,
    ladders_only: bool,
) -> Result<Stories, OpenError> {
    let filter = AlertFilter {
        since: Some(since),
        limit: atalaya_store::ALERTS_LISTED_MAX,
        ..AlertFilter::default()
    };
    let alerts = store.alerts(&filter).await;
    let alerts = alerts.map_err(|error| OpenError::world("reading the alerts", error))?;
    let mut stories = Stories::new();
    for alert in &alerts {
        if !ladders_only || alert.details.contains_key("Rung") {
            *stories.entry(story(alert)).or_default() += 1;
        }
    }
    Ok(stories)
}

fn changes(before: &Stories, after: &Stories) -> Vec<AlertChange> {
    let all: BTreeSet<&Story> = before.keys().chain(after.keys()).collect();
    all.into_iter()
        .filter_map(|story| {
            let count = |side: &Stories| side.get(story).copied().unwrap_or(0);
            let (before, after) = (count(before), count(after));
            let change = match (before, after) {
                (0, _) => "new",
                (_, 0) => "gone",
                (before, after) if after > before => "more",
                (before, after) if after < before => "fewer",
                _ => return None,
            };
            Some(AlertChange {
                story: story.clone(),
                change,
                before,
                after,
            })
        })
        .take(CHANGES_LISTED_MAX)
        .collect()
}

/// The alerts that rules raise over a part of the log, as if they were catching up, in a store of
/// their own. What a rule could not do is added to `failures`.
///
/// # Errors
/// If that store fails.
pub async fn scheduled(
    engine: Arc<Engine>,
    rules: RuleCatalogue,
    (since, now): (Timestamp, Timestamp),
    failures: &mut Vec<String>,
) -> Result<Vec<Alert>, OpenError> {
    let fail = |error| OpenError::world("running rules", error);
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::in_memory().map_err(|error| fail(error.to_string()))?);
    for rule in rules.rules().filter(|rule| rule.enabled) {
        let state = RuleState {
            rule_id: rule.id.clone(),
            cursor: Some(since),
            ..RuleState::default()
        };
        let put = store.put_rule_state(&state).await;
        put.map_err(|error| fail(error.to_string()))?;
    }
    let ports = atalaya_detect::Ports {
        engine: Arc::new(RuleEngine(engine)),
        store,
        sinks: Vec::new(),
    };
    let micros = u64::try_from(now.0.saturating_sub(since.0)).unwrap_or(0);
    let config = SchedulerConfig {
        catch_up_max: Duration::from_micros(micros),
        ..SchedulerConfig::default()
    };
    let report = Scheduler::new(rules, ports, config).run_once(now).await;
    let failed = report.failures.into_iter();
    failures.extend(failed.map(|(rule, why)| format!("{rule}: {why}")));
    Ok(report.alerts)
}

struct Runner<'a> {
    engine: Arc<Engine>,
    logged: &'a [Logged],
    /// As a changed policy or changed detectors would decide, if there are any.
    decided: Option<&'a [Logged]>,
    allowed: &'a Allowlist,
    window: (Timestamp, Timestamp),
    ladders_only: bool,
}

impl Runner<'_> {
    /// Alerts before and after the change.
    async fn both(
        &self,
        config: &Config,
        rules: Option<&Path>,
        store: &SqliteStore,
        difference: &mut Difference,
    ) -> Result<(Stories, Stories), OpenError> {
        match rules {
            Some(path) => {
                difference.compared_with = "current";
                let (current, changed) = contents(config, path)?;
                let before = self.run(&current, &mut difference.failures).await?;
                let mut after = self.run(&changed, &mut difference.failures).await?;
                if self.decided.is_some() {
                    self.decided_otherwise(&changed.ladders, &mut after);
                }
                Ok((before, after))
            }
            None if self.decided.is_some() => {
                // What rules find in the log stays; ladders count what is decided otherwise.
                difference.compared_with = "current";
                let ladders = respond::ladders(config)?.all();
                let before = self.count(&ladders, self.logged);
                let after = self.count(&ladders, self.decided.unwrap_or_default());
                Ok((before, after))
            }
            None => {
                difference.compared_with = "recorded";
                let before = recorded(store, self.window.0, self.ladders_only).await?;
                let current = Content {
                    rules: open::rules(config)?,
                    ladders: respond::ladders(config)?.all(),
                };
                let after = self.run(&current, &mut difference.failures).await?;
                Ok((before, after))
            }
        }
    }

    async fn run(
        &self,
        content: &Content,
        failures: &mut Vec<String>,
    ) -> Result<Stories, OpenError> {
        let mut stories = self.count(&content.ladders, self.logged);
        if self.ladders_only {
            return Ok(stories);
        }
        let engine = Arc::clone(&self.engine);
        let alerts = scheduled(engine, content.rules.clone(), self.window, failures).await?;
        let now = self.window.1;
        for alert in &alerts {
            let records = self.records(alert);
            let is_allowed = self.allowed.of_alert(alert, now).is_some()
                || self.allowed.of_records(alert, &records, now).is_some();
            if !is_allowed {
                *stories.entry(story(alert)).or_default() += 1;
            }
        }
        Ok(stories)
    }

    /// The decisions behind an alert.
    fn records(&self, alert: &Alert) -> Vec<Seen> {
        if !self.allowed.knows_content(self.window.1) {
            return Vec::new();
        }
        let is_behind = |logged: &&Logged| alert.record_ids.contains(&logged.seen.record_id);
        let behind = self.logged.iter().filter(is_behind);
        behind.map(|logged| logged.seen.clone()).collect()
    }

    /// Replaces what ladders found in the log by what they find in the changed decisions.
    fn decided_otherwise(&self, ladders: &[Arc<Ladder>], stories: &mut Stories) {
        let Some(decided) = self.decided else { return };
        let is_of_ladder = |story: &Story| ladders.iter().any(|l| l.id == story.rule_id);
        stories.retain(|story, _| !is_of_ladder(story));
        stories.extend(self.count(ladders, decided));
    }

    fn count(&self, ladders: &[Arc<Ladder>], decisions: &[Logged]) -> Stories {
        let mut counters = Counters::new(ladders.to_vec());
        let mut stories = Stories::new();
        let now = self.window.1;
        for logged in decisions {
            // What is on the list now is off for all of the past that is looked at.
            let is_allowed = |ladder: &Ladder| {
                let mut seen = logged.seen.clone();
                seen.time = now;
                self.allowed.of_decision(&seen, ladder).is_some()
            };
            for signal in counters.count(&logged.seen, &is_allowed) {
                let alert = signal.alert(signal.last_seen).alert;
                if self.allowed.of_alert(&alert, now).is_none() {
                    *stories.entry(story(&alert)).or_default() += 1;
                }
            }
        }
        stories
    }
}
