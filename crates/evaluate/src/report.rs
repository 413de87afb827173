//! From cases to a report: figures by dataset, kind, language and role, worst cases, decisions.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use atalaya_inspect::{Inspector, Scratch};
use atalaya_model::{Decision, Segment, Span};
use atalaya_policy::{CallFacts, Policy};
use serde::Serialize;

use crate::dataset::{Case, Dataset};
use crate::metrics::{Curve, Figures, Pool};

/// By what cases are grouped.
pub(crate) const BY: [&str; 5] = ["all", "dataset", "kind", "language", "role"];
/// Worst cases that are listed.
const WORST_MAX: usize = 20;

/// How long inspecting took, microseconds of a text; differs from run to run.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// Half of the texts took no longer.
    pub p50_us: u64,
    /// Of a hundred texts, 99 took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
    /// Nanoseconds a byte, over all texts.
    pub ns_per_byte: f64,
}

impl Latency {
    fn of(mut times: Vec<Duration>, bytes: usize) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
            let time = times.get(place).copied().unwrap_or_default();
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        };
        let all: Duration = times.iter().sum();
        Self {
            p50_us: at(50),
            p99_us: at(99),
            max_us: at(100),
            ns_per_byte: all.as_secs_f64() * 1e9 / bytes.max(1) as f64,
        }
    }
}

/// What became of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The case.
    pub id: String,
    /// Where it came from.
    pub dataset: String,
    /// Its kind.
    pub kind: String,
    /// Its language.
    pub lang: String,
    /// Its role.
    pub role: &'static str,
    /// Whether it is an attack.
    pub attack: bool,
    /// The ThreatScore.
    pub score: u8,
    /// What the policy would do.
    pub decision: Decision,
    /// The rule that decided.
    pub pattern: String,
}

/// Number of texts by decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ByDecision {
    /// Blocked.
    pub block: u64,
    /// Weakened.
    pub constrain: u64,
    /// Logged only.
    pub log: u64,
    /// Let pass.
    pub allow: u64,
}

impl ByDecision {
    fn add(&mut self, decision: Decision) {
        match decision {
            Decision::Block => self.block += 1,
            Decision::Constrain => self.constrain += 1,
            Decision::Log => self.log += 1,
            Decision::Allow => self.allow += 1,
        }
    }

    /// Blocked or weakened.
    #[must_use]
    pub const fn acted_on(self) -> u64 {
        self.block + self.constrain
    }
}

/// Figures of one group of cases.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// dataset, kind, language or role.
    pub by: &'static str,
    /// Which one.
    pub name: String,
    /// Number of attacks.
    pub attacks: u64,
    /// Number of innocent texts.
    pub innocent: u64,
    /// Attacks of the group against all innocent texts.
    pub auc: Option<f64>,
    /// At 1 % of all innocent texts.
    pub recall_at_1_percent: Option<f64>,
    /// At 0.1 % of all innocent texts.
    pub recall_at_01_percent: Option<f64>,
    /// Attacks by what the policy does with them.
    pub attacks_by_decision: ByDecision,
    /// Innocent texts by what it does with them.
    pub innocent_by_decision: ByDecision,
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Identity of the rules and the model.
    pub ruleset: String,
    /// Texts without a label, left out.
    pub unlabelled: usize,
    /// Lines of an export of which no text was kept, left out.
    pub textless: usize,
    /// Thresholds for 1 % and 0.1 % of the innocent texts.
    pub thresholds: [usize; 2],
    /// Mean recall over the datasets with attacks, at 1 % and 0.1 %.
    pub mean_recall: Option<[f64; 2]>,
    /// Figures by group; the first is everything.
    pub rows: Vec<Row>,
    /// Attacks with the lowest scores.
    pub worst_misses: Vec<Judged>,
    /// Innocent texts with the highest scores.
    pub worst_alarms: Vec<Judged>,
    /// How long it took.
    pub latency: Latency,
    #[serde(skip)]
    pub(crate) curves: Vec<(&'static str, String, Curve)>,
}

#[derive(Default)]
struct Group {
    attacks: Pool,
    innocent: Pool,
    decisions: [ByDecision; 2],
}

/// Judges every case.
#[must_use]
pub fn evaluate(dataset: &Dataset, inspector: &Inspector, policy: &Policy) -> Report {
    let cases = &dataset.cases;
    let (mut times, mut bytes) = (Vec::with_capacity(cases.len()), 0);
    let mut scratch = Scratch::default();
    let mut groups: BTreeMap<(usize, String), Group> = BTreeMap::new();
    let mut judged: Vec<Judged> = Vec::with_capacity(cases.len());
    for case in cases {
        let segments = segments(case);
        let started = Instant::now();
        let verdict = inspector.inspect(&segments, &mut scratch);
        times.push(started.elapsed());
        bytes += segments.iter().map(|s| s.text.len()).sum::<usize>();
        let decision = policy
            .decide(&verdict, &CallFacts::default())
            .would_decision;
        let names = [
            "all".to_owned(),
            case.dataset.clone(),
            case.kind.clone(),
            case.lang.clone(),
            case.role.to_owned(),
        ];
        for (by, name) in names.into_iter().enumerate() {
            let group = groups.entry((by, name)).or_default();
            let pool = if case.attack {
                &mut group.attacks
            } else {
                &mut group.innocent
            };
            pool.add(verdict.score);
            let label = usize::from(case.attack);
            group.decisions[label].add(decision);
        }
        judged.push(Judged {
            id: case.id.clone(),
            dataset: case.dataset.clone(),
            kind: case.kind.clone(),
            lang: case.lang.clone(),
            role: case.role,
            attack: case.attack,
            score: verdict.score,
            decision,
            pattern: verdict.pattern.as_deref().unwrap_or("").to_owned(),
        });
    }
    Report {
        unlabelled: dataset.unlabelled,
        textless: dataset.textless,
        ruleset: inspector.ruleset_hash().to_owned(),
        latency: Latency::of(times, bytes),
        ..summarised(&groups, judged)
    }
}

/// The texts of a case as a call has them.
fn segments(case: &Case) -> Vec<Segment<'_>> {
    let texts = case.texts.iter().enumerate();
    texts
        .map(|(index, (kind, text))| Segment {
            kind: *kind,
            path: format!("/{index}").into(),
            body: Span::new(0, text.len()),
            text: text.as_str().into(),
        })
        .collect()
}

fn summarised(groups: &BTreeMap<(usize, String), Group>, judged: Vec<Judged>) -> Report {
    let nobody = Group::default();
    let all = groups.values().next().unwrap_or(&nobody);
    let rows: Vec<Row> = groups
        .iter()
        .map(|((by, name), group)| {
            let figures = Figures::of(&group.attacks, &all.innocent);
            Row {
                by: BY.get(*by).copied().unwrap_or(""),
                name: name.clone(),
                attacks: group.attacks.len(),
                innocent: group.innocent.len(),
                auc: figures.map(|f| f.auc),
                recall_at_1_percent: figures.map(|f| f.recall_at_1_percent),
                recall_at_01_percent: figures.map(|f| f.recall_at_01_percent),
                attacks_by_decision: group.decisions[1],
                innocent_by_decision: group.decisions[0],
            }
        })
        .collect();
    let mut misses: Vec<Judged> = judged.iter().filter(|case| case.attack).cloned().collect();
    misses.sort_by(|a, b| a.score.cmp(&b.score).then_with(|| a.id.cmp(&b.id)));
    misses.truncate(WORST_MAX);
    let mut alarms: Vec<Judged> = judged.into_iter().filter(|case| !case.attack).collect();
    alarms.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
    alarms.truncate(WORST_MAX);
    Report {
        ruleset: String::new(),
        unlabelled: 0,
        textless: 0,
        latency: Latency::default(),
        thresholds: [0.01, 0.001].map(|share| all.innocent.threshold_for(share)),
        mean_recall: mean_recall(&rows),
        curves: curves(groups, &all.innocent),
        rows,
        worst_misses: misses,
        worst_alarms: alarms,
    }
}

/// The curve of every group with attacks, against all innocent texts.
fn curves(
    groups: &BTreeMap<(usize, String), Group>,
    innocent: &Pool,
) -> Vec<(&'static str, String, Curve)> {
    groups
        .iter()
        .filter(|(_, group)| !group.attacks.is_empty() && !innocent.is_empty())
        .map(|((by, name), group)| {
            let by = BY.get(*by).copied().unwrap_or("");
            (by, name.clone(), Curve::of(&group.attacks, innocent))
        })
        .collect()
}

fn mean_recall(rows: &[Row]) -> Option<[f64; 2]> {
    let sets: Vec<(f64, f64)> = rows
        .iter()
        .filter(|row| row.by == "dataset")
        .filter_map(|row| row.recall_at_1_percent.zip(row.recall_at_01_percent))
        .collect();
    let count = sets.len() as f64;
    (!sets.is_empty()).then(|| {
        let (one, tenth) = sets
            .iter()
            .fold((0.0, 0.0), |sum, set| (sum.0 + set.0, sum.1 + set.1));
        [one / count, tenth / count]
    })
}

impl Report {
    /// The report as a table for a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let percent =
            |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{:.1}", 100.0 * v));
        let share = |part: u64, all: u64| {
            if all == 0 {
                "-".to_owned()
            } else {
                format!("{:.2}", 100.0 * part as f64 / all as f64)
            }
        };
        let names = [
            "by", "name", "attacks", "innocent", "AUC", "rec@1%", "rec@.1%", "acted on", "block",
            "constr.", "log", "acted on", "block", "constr.", "log",
        ];
        let _ = writeln!(text, "{:>117}{:>34}", "attacks, %", "innocent, %");
        line(&mut text, &names.map(str::to_owned));
        for row in &self.rows {
            let of = |decisions: ByDecision, all: u64| {
                [
                    decisions.acted_on(),
                    decisions.block,
                    decisions.constrain,
                    decisions.log,
                ]
                .map(|part| share(part, all))
            };
            let figures = [
                row.by.to_owned(),
                row.name.clone(),
                row.attacks.to_string(),
                row.innocent.to_string(),
                row.auc.map_or("-".to_owned(), |auc| format!("{auc:.3}")),
                percent(row.recall_at_1_percent),
                percent(row.recall_at_01_percent),
            ];
            let attacks = of(row.attacks_by_decision, row.attacks);
            let innocent = of(row.innocent_by_decision, row.innocent);
            line(&mut text, &[&figures[..], &attacks, &innocent].concat());
        }
        if let Some([one, tenth]) = self.mean_recall {
            let _ = writeln!(
                text,
                "\nmean over datasets with attacks: {:.1} % at 1 %, {:.1} % at 0.1 % false positives",
                100.0 * one,
                100.0 * tenth
            );
        }
        let _ = writeln!(
            text,
            "ThreatScore for 1 %: {}, for 0.1 %: {}; lines without a label: {}, without a text: {}; rule set {}",
            self.thresholds[0], self.thresholds[1], self.unlabelled, self.textless, self.ruleset
        );
        // The one line that differs from run to run.
        let _ = writeln!(
            text,
            "latency of a text: median {} \u{b5}s, 99 % {} \u{b5}s, longest {} \u{b5}s; {:.0} ns a byte",
            self.latency.p50_us, self.latency.p99_us, self.latency.max_us, self.latency.ns_per_byte
        );
        self.worst(&mut text);
        text
    }

    fn worst(&self, text: &mut String) {
        for (title, cases) in [
            ("worst misses", &self.worst_misses),
            ("worst false alarms", &self.worst_alarms),
        ] {
            let _ = writeln!(text, "\n{title}");
            for case in cases {
                let _ = writeln!(
                    text,
                    "{:3} {:9} {:30} {:24} {} {} {} {}",
                    case.score,
                    case.decision.as_str(),
                    case.id,
                    case.dataset,
                    case.kind,
                    case.lang,
                    case.role,
                    case.pattern
                );
            }
        }
    }

    /// The report as a page that needs nothing else.
    #[must_use]
    pub fn to_html(&self) -> String {
        crate::html::page(self)
    }
}

/// One line of the table.
fn line(text: &mut String, cells: &[String]) {
    const WIDTHS: [usize; 15] = [9, 34, 7, 8, 6, 6, 7, 9, 6, 7, 6, 9, 6, 7, 6];
    for (index, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        let _ = if index < 2 {
            write!(text, "{cell:width$} ")
        } else {
            write!(text, "{cell:>width$} ")
        };
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
}
