//! What disguises cost: attacks that were detected as written, and innocent texts that were not,
//! read again in every disguise of [`obfuscate`](crate::obfuscate).

use std::fmt::Write as _;

use atalaya_inspect::{Inspector, Scratch};

use crate::corpus::Row;
use crate::obfuscate::ALL;
use crate::random::Random;

/// One innocent text in a hundred reaches this.
const DETECTED: u8 = 40;
/// The built-in policy acts from here on.
const ACTED_ON: u8 = 60;

/// Percent of attacks still detected, and of innocent texts acted on, by disguise.
pub(crate) fn report(rows: &[Row], count: usize) -> String {
    let inspector = Inspector::builtin();
    let mut scratch = Scratch::default();
    let mut score = |row: &Row, text: &str| {
        inspector
            .inspect_text(text, row.segment(), &mut scratch)
            .score
    };
    let plain = |row: &&Row| row.text.is_ascii() && (30..400).contains(&row.text.len());
    let mut attacks: Vec<&Row> = rows
        .iter()
        .filter(|row| row.is_attack() && row.kind != "encoding_obfuscation")
        .filter(plain)
        .filter(|row| score(row, &row.text) >= DETECTED)
        .collect();
    let mut innocent: Vec<&Row> = rows
        .iter()
        .filter(|row| !row.is_attack())
        .filter(plain)
        .collect();
    let mut random = Random::new(5);
    random.shuffle(&mut attacks);
    random.shuffle(&mut innocent);
    attacks.truncate(count);
    innocent.truncate(count);
    let mut text = String::from("disguise               still detected  innocent acted on\n");
    let (mut all_kept, mut all_alarms) = (0, 0);
    for (name, disguise) in ALL {
        let mut reaching = |rows: &[&Row], threshold: u8| {
            rows.iter()
                .filter(|row| score(row, &disguise(&row.text, &mut random)) >= threshold)
                .count()
        };
        let (kept, alarms) = (reaching(&attacks, DETECTED), reaching(&innocent, ACTED_ON));
        all_kept += kept;
        all_alarms += alarms;
        let _ = writeln!(
            text,
            "{name:22} {:12.1} % {:16.1} %",
            percent(kept, attacks.len()),
            percent(alarms, innocent.len())
        );
    }
    let _ = write!(
        text,
        "{:22} {:12.1} % {:16.1} %",
        "all",
        percent(all_kept, attacks.len() * ALL.len()),
        percent(all_alarms, innocent.len() * ALL.len())
    );
    text
}

fn percent(part: usize, all: usize) -> f64 {
    100.0 * part as f64 / all.max(1) as f64
}
