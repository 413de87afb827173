//! The report as one HTML page: a table, and curves as drawings. No script, nothing fetched.

use std::fmt::Write as _;

use crate::metrics::Curve;
use crate::report::{BY, ByDecision, Judged, Report, Row};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:84rem;padding:0 1rem;color:#1c2430;background:#fff}\
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #dde3ea}\
th{background:#f3f6f9;position:sticky;top:0}td.t,th.t{text-align:left}td.t:first-child{min-width:13rem}td.t{max-width:26rem;overflow-wrap:anywhere}\
svg{border:1px solid #dde3ea;background:#fbfcfd;max-width:100%;height:auto}svg text{fill:#66717d;font-size:11px}.w{overflow-x:auto}\
figure{margin:0 0 1rem;display:inline-block;vertical-align:top}figcaption{font-weight:600}.k{display:inline-block;margin-right:1rem;white-space:nowrap}.k i{display:inline-block;width:1.4rem;height:.25rem;margin-right:.3rem;vertical-align:middle}\
@media(prefers-color-scheme:dark){body{background:#12161c;color:#d8dee6}th{background:#1d242d}th,td,svg{border-color:#2c3540}svg{background:#171c23}svg text{fill:#93a0ad}}";
/// Colours of curves, told apart also by people who see no red.
const COLOURS: [&str; 8] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#a08c00", "#7a5cc7",
];
/// Curves in one drawing, those with most attacks.
const CURVES_MAX: usize = COLOURS.len();

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Evaluation of detectors</title><style>{STYLE}</style><h1>Evaluation of detectors</h1><p>Rule set <code>{}</code>.</p><p>ThreatScore that 1 % of the innocent texts reach at most: <b>{}</b>, 0.1 %: <b>{}</b>. Lines without a label: {}, without a text: {}.</p>",
        escaped(&report.ruleset),
        threshold(report.thresholds[0]),
        threshold(report.thresholds[1]),
        report.unlabelled,
        report.textless
    );
    if let Some([one, tenth]) = report.mean_recall {
        let _ = write!(
            page,
            "<p>Mean recall over datasets with attacks: <b>{:.1} %</b> at 1 %, <b>{:.1} %</b> at 0.1 % false positives.</p>",
            100.0 * one,
            100.0 * tenth
        );
    }
    let latency = report.latency;
    let _ = write!(
        page,
        "<p>Latency of a text: median {} \u{b5}s, 99 % {} \u{b5}s, longest {} \u{b5}s; {:.0} ns a byte.</p><h2>Recall over false positives</h2><p>Attacks of a group against all innocent texts.</p>",
        latency.p50_us, latency.p99_us, latency.max_us, latency.ns_per_byte
    );
    for by in BY {
        page.push_str(&drawing(report, by));
    }
    for by in BY {
        page.push_str(&table(report, by));
    }
    page.push_str(&worst("Worst misses", &report.worst_misses));
    page.push_str(&worst("Worst false alarms", &report.worst_alarms));
    page.push_str("</html>\n");
    page
}

/// A threshold above all scores is none.
fn threshold(score: usize) -> String {
    if score > 100 {
        "none".to_owned()
    } else {
        score.to_string()
    }
}

fn table(report: &Report, by: &str) -> String {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.by == by).collect();
    if rows.is_empty() {
        return String::new();
    }
    let title = if by == "all" {
        "All texts".to_owned()
    } else {
        format!("By {by}")
    };
    let mut table = format!(
        "<h2>{title}</h2><div class=w><table><tr><th class=t>name<th>attacks<th>innocent<th>AUC<th>recall at 1 %<th>at 0.1 %<th>attacks blocked, %<th>constrained<th>logged<th>innocent blocked, %<th>constrained<th>logged</tr>"
    );
    for row in rows {
        let number = |value: Option<f64>, by: f64| {
            value.map_or("–".to_owned(), |v| {
                format!("{:.*}", if by > 1.0 { 1 } else { 3 }, v * by)
            })
        };
        let _ = write!(
            table,
            "<tr><td class=t>{}<td>{}<td>{}<td>{}<td>{}<td>{}{}{}</tr>",
            escaped(&row.name),
            row.attacks,
            row.innocent,
            number(row.auc, 1.0),
            number(row.recall_at_1_percent, 100.0),
            number(row.recall_at_01_percent, 100.0),
            shares(row.attacks_by_decision, row.attacks),
            shares(row.innocent_by_decision, row.innocent),
        );
    }
    table + "</table></div>"
}

fn shares(decisions: ByDecision, all: u64) -> String {
    [decisions.block, decisions.constrain, decisions.log]
        .iter()
        .map(|part| match all {
            0 => "<td>–".to_owned(),
            _ => format!("<td>{:.2}", 100.0 * *part as f64 / all as f64),
        })
        .collect()
}

fn worst(title: &str, cases: &[Judged]) -> String {
    if cases.is_empty() {
        return String::new();
    }
    let mut table = format!(
        "<h2>{title}</h2><div class=w><table><tr><th>score<th class=t>decision<th class=t>id<th class=t>dataset<th class=t>kind<th class=t>language<th class=t>role<th class=t>rule</tr>"
    );
    for case in cases {
        let _ = write!(
            table,
            "<tr><td>{}<td class=t>{}<td class=t>{}<td class=t>{}<td class=t>{}<td class=t>{}<td class=t>{}<td class=t>{}</tr>",
            case.score,
            case.decision.as_str(),
            escaped(&case.id),
            escaped(&case.dataset),
            escaped(&case.kind),
            escaped(&case.lang),
            case.role,
            escaped(&case.pattern)
        );
    }
    table + "</table></div>"
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
/// Room for what is written beside the axes.
const LEFT: f64 = 44.0;
const BELOW: f64 = 34.0;

/// The false positive rate in powers of ten, from one in ten thousand on.
fn x(rate: f64) -> f64 {
    LEFT + WIDTH * (rate.max(1e-4).log10() + 4.0) / 4.0
}

fn y(recall: f64) -> f64 {
    8.0 + HEIGHT * (1.0 - recall)
}

/// The curves of one way to group.
fn drawing(report: &Report, by: &str) -> String {
    let attacks = |name: &str| {
        let row = report.rows.iter();
        row.filter(|row| row.by == by && row.name == name)
            .map(|row| row.attacks)
            .sum::<u64>()
    };
    let mut curves: Vec<(&str, &Curve)> = report
        .curves
        .iter()
        .filter(|(of, _, _)| *of == by)
        .map(|(_, name, curve)| (name.as_str(), curve))
        .collect();
    // A single group shows what all texts show.
    if curves.is_empty() || by != "all" && curves.len() < 2 {
        return String::new();
    }
    curves.sort_by_key(|(name, _)| std::cmp::Reverse(attacks(name)));
    let left_out = curves.len().saturating_sub(CURVES_MAX);
    curves.truncate(CURVES_MAX);
    let (mut lines, mut key) = (axes(), String::new());
    for ((name, curve), colour) in curves.iter().zip(COLOURS) {
        let points: Vec<String> = curve
            .0
            .iter()
            .map(|(rate, recall)| format!("{:.1},{:.1}", x(*rate), y(*recall)))
            .collect();
        let _ = write!(
            lines,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        );
        let _ = write!(
            key,
            "<span class=k><i style=\"background:{colour}\"></i>{} ({})</span>",
            escaped(name),
            attacks(name)
        );
    }
    if left_out > 0 {
        let _ = write!(key, "<span class=k>and {left_out} smaller ones</span>");
    }
    let title = if by == "all" { "all texts" } else { by };
    let (width, height) = (LEFT + WIDTH + 12.0, HEIGHT + BELOW + 8.0);
    format!(
        "<figure style=\"width:{width}px\"><figcaption>{title}</figcaption><svg role=\"img\" aria-label=\"recall over false positive rate: {title}\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">{lines}</svg><div>{key}</div></figure>"
    )
}

fn axes() -> String {
    let mut lines = String::new();
    for (rate, name) in [
        (1e-4, "0.01 %"),
        (1e-3, "0.1 %"),
        (1e-2, "1 %"),
        (1e-1, "10 %"),
        (1.0, "100 %"),
    ] {
        let anchor = if rate < 1.0 { "middle" } else { "end" };
        let _ = write!(
            lines,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"8\" y2=\"{1}\" stroke=\"#9aa7b5\" stroke-dasharray=\"3 4\"/><text x=\"{0:.1}\" y=\"{2}\" text-anchor=\"{anchor}\">{name}</text>",
            x(rate),
            y(0.0),
            y(0.0) + 14.0
        );
    }
    for percent in [0_u8, 25, 50, 75, 100] {
        let at = y(f64::from(percent) / 100.0);
        let _ = write!(
            lines,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#9aa7b5\" stroke-dasharray=\"1 5\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>",
            LEFT + WIDTH,
            LEFT - 4.0,
            at + 4.0
        );
    }
    let _ = write!(
        lines,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">innocent texts that are reached</text>",
        LEFT + WIDTH / 2.0,
        y(0.0) + 28.0
    );
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
