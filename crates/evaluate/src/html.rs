//! The report as one HTML page: tables, and the curve as a drawing. No script, nothing fetched.

use std::fmt::Write as _;

use crate::metrics::Curve;
use crate::report::{Judged, Report};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2430;background:#fff}\
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #dde3ea}\
th{background:#f3f6f9}td.t,th.t{text-align:left}svg{border:1px solid #dde3ea;background:#fbfcfd}\
@media(prefers-color-scheme:dark){body{background:#12161c;color:#d8dee6}th{background:#1d242d}th,td,svg{border-color:#2c3540}svg{background:#171c23}}";

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Evaluation of detectors</title><style>{STYLE}</style><h1>Evaluation of detectors</h1><p>Rule set <code>{}</code>. ThreatScore for 1 % false positives: {}, for 0.1 %: {}. Texts without a label: {}.</p>",
        escaped(&report.ruleset),
        report.thresholds[0],
        report.thresholds[1],
        report.unlabelled
    );
    if let Some([one, tenth]) = report.mean_recall {
        let _ = write!(
            page,
            "<p>Mean recall over datasets with attacks: <b>{:.1} %</b> at 1 %, <b>{:.1} %</b> at 0.1 % false positives.</p>",
            100.0 * one,
            100.0 * tenth
        );
    }
    page.push_str(&curve(&report.curve));
    page.push_str("<table><tr><th class=t>by<th class=t>name<th>attacks<th>innocent<th>AUC<th>recall at 1 %<th>recall at 0.1 %<th>attacks acted on<th>innocent acted on<th>attacks logged<th>innocent logged</tr>");
    for row in &report.rows {
        let number = |value: Option<f64>, by: f64| {
            value.map_or("–".to_owned(), |v| {
                format!("{:.*}", if by > 1.0 { 1 } else { 3 }, v * by)
            })
        };
        let share = |part: u64, all: u64| {
            if all == 0 {
                "–".to_owned()
            } else {
                format!("{:.2}", 100.0 * part as f64 / all as f64)
            }
        };
        let _ = write!(
            page,
            "<tr><td class=t>{}<td class=t>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            row.by,
            escaped(&row.name),
            row.attacks,
            row.innocent,
            number(row.auc, 1.0),
            number(row.recall_at_1_percent, 100.0),
            number(row.recall_at_01_percent, 100.0),
            share(row.attacks_acted_on, row.attacks),
            share(row.innocent_acted_on, row.innocent),
            share(row.attacks_logged, row.attacks),
            share(row.innocent_logged, row.innocent),
        );
    }
    page.push_str("</table>");
    page.push_str(&worst("Worst misses", &report.worst_misses));
    page.push_str(&worst("Worst false alarms", &report.worst_alarms));
    page.push_str("</html>\n");
    page
}

fn worst(title: &str, cases: &[Judged]) -> String {
    let mut table = format!(
        "<h2>{title}</h2><table><tr><th>score<th class=t>decision<th class=t>id<th class=t>dataset<th class=t>kind<th class=t>rule</tr>"
    );
    for case in cases {
        let _ = write!(
            table,
            "<tr><td>{}<td class=t>{}<td class=t>{}<td class=t>{}<td class=t>{}<td class=t>{}</tr>",
            case.score,
            case.decision.as_str(),
            escaped(&case.id),
            escaped(&case.dataset),
            escaped(&case.kind),
            escaped(&case.pattern)
        );
    }
    table + "</table>"
}

/// Recall over the false positive rate, the latter in powers of ten.
fn curve(curve: &Curve) -> String {
    const WIDTH: f64 = 560.0;
    const HEIGHT: f64 = 320.0;
    let x = |rate: f64| WIDTH * (rate.max(1e-4).log10() + 4.0) / 4.0;
    let y = |recall: f64| HEIGHT * (1.0 - recall);
    let points: Vec<String> = curve
        .0
        .iter()
        .map(|(rate, recall)| format!("{:.1},{:.1}", x(*rate), y(*recall)))
        .collect();
    let mut lines = String::new();
    for (rate, name) in [(1e-3, "0.1 %"), (1e-2, "1 %"), (1e-1, "10 %")] {
        let _ = write!(
            lines,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{HEIGHT}\" stroke=\"#9aa7b5\" stroke-dasharray=\"3 4\"/><text x=\"{1:.1}\" y=\"{2}\" font-size=\"11\" fill=\"#7a8794\">{name}</text>",
            x(rate),
            x(rate) + 3.0,
            HEIGHT - 6.0
        );
    }
    format!(
        "<h2>Recall over false positives</h2><svg role=\"img\" aria-label=\"recall over false positive rate\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\">{lines}<polyline fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\" points=\"{}\"/></svg>",
        points.join(" ")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
