//! From cases to a report: figures by dataset, kind, language and role, worst cases, decisions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use atalaya_inspect::{Inspector, Scratch};
use atalaya_model::Decision;
use atalaya_policy::{CallFacts, Policy};
use serde::Serialize;

use crate::dataset::Case;
use crate::metrics::{Curve, Figures, Pool};

/// Worst cases that are listed.
const WORST_MAX: usize = 20;

/// What became of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The case.
    pub id: String,
    /// Where it came from.
    pub dataset: String,
    /// Its kind.
    pub kind: String,
    /// Whether it is an attack.
    pub attack: bool,
    /// The ThreatScore.
    pub score: u8,
    /// What the policy would do.
    pub decision: Decision,
    /// The rule that decided.
    pub pattern: String,
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
    /// Attacks that the policy blocks or constrains.
    pub attacks_acted_on: u64,
    /// Innocent texts that it blocks or constrains.
    pub innocent_acted_on: u64,
    /// Attacks that it logs at least.
    pub attacks_logged: u64,
    /// Innocent texts that it logs at least.
    pub innocent_logged: u64,
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Identity of the rules and the model.
    pub ruleset: String,
    /// Texts without a label, left out.
    pub unlabelled: usize,
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
    #[serde(skip)]
    pub(crate) curve: Curve,
}

#[derive(Default)]
struct Group {
    attacks: Pool,
    innocent: Pool,
    acted_on: [u64; 2],
    logged: [u64; 2],
}

/// Judges every case.
#[must_use]
pub fn evaluate(
    cases: &[Case],
    unlabelled: usize,
    inspector: &Inspector,
    policy: &Policy,
) -> Report {
    let mut scratch = Scratch::default();
    let mut groups: BTreeMap<(usize, String), Group> = BTreeMap::new();
    let mut judged: Vec<Judged> = Vec::with_capacity(cases.len());
    for case in cases {
        let verdict = inspector.inspect_text(&case.text, case.segment, &mut scratch);
        let decision = policy
            .decide(&verdict, &CallFacts::default())
            .would_decision;
        let names = [
            "all".to_owned(),
            case.dataset.clone(),
            case.kind.clone(),
            case.lang.clone(),
            case.segment.as_str().to_owned(),
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
            group.acted_on[label] +=
                u64::from(matches!(decision, Decision::Block | Decision::Constrain));
            group.logged[label] += u64::from(decision != Decision::Allow);
        }
        judged.push(Judged {
            id: case.id.clone(),
            dataset: case.dataset.clone(),
            kind: case.kind.clone(),
            attack: case.attack,
            score: verdict.score,
            decision,
            pattern: verdict.pattern.as_deref().unwrap_or("").to_owned(),
        });
    }
    summarised(&groups, judged, unlabelled, inspector.ruleset_hash())
}

fn summarised(
    groups: &BTreeMap<(usize, String), Group>,
    judged: Vec<Judged>,
    unlabelled: usize,
    ruleset: &str,
) -> Report {
    const BY: [&str; 5] = ["all", "dataset", "kind", "language", "role"];
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
                attacks_acted_on: group.acted_on[1],
                innocent_acted_on: group.acted_on[0],
                attacks_logged: group.logged[1],
                innocent_logged: group.logged[0],
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
        ruleset: ruleset.to_owned(),
        unlabelled,
        thresholds: [0.01, 0.001].map(|share| all.innocent.threshold_for(share)),
        mean_recall: mean_recall(&rows),
        curve: Curve::of(&all.attacks, &all.innocent),
        rows,
        worst_misses: misses,
        worst_alarms: alarms,
    }
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
        let _ = writeln!(
            text,
            "{:9} {:34} {:>8} {:>8} {:>6} {:>7} {:>7} {:>9} {:>9} {:>8} {:>8}",
            "by",
            "name",
            "attacks",
            "innocent",
            "AUC",
            "rec@1%",
            "rec@.1%",
            "acted att",
            "acted inn",
            "log att",
            "log inn"
        );
        for row in &self.rows {
            let _ = writeln!(
                text,
                "{:9} {:34} {:8} {:8} {:>6} {:>7} {:>7} {:>9} {:>9} {:>8} {:>8}",
                row.by,
                row.name,
                row.attacks,
                row.innocent,
                row.auc.map_or("-".to_owned(), |auc| format!("{auc:.3}")),
                percent(row.recall_at_1_percent),
                percent(row.recall_at_01_percent),
                share(row.attacks_acted_on, row.attacks),
                share(row.innocent_acted_on, row.innocent),
                share(row.attacks_logged, row.attacks),
                share(row.innocent_logged, row.innocent),
            );
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
            "ThreatScore for 1 %: {}, for 0.1 %: {}; texts without a label: {}; rule set {}",
            self.thresholds[0], self.thresholds[1], self.unlabelled, self.ruleset
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
                    "{:3} {:9} {:30} {:24} {} {}",
                    case.score,
                    case.decision.as_str(),
                    case.id,
                    case.dataset,
                    case.kind,
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
