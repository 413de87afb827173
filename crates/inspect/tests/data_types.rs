//! Secrets and personal data in generated documents: valid values of every kind are found, and
//! what only looks like them is not.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, over files of their own"
)]

use std::collections::BTreeMap;

use atalaya_inspect::{Inspector, Scratch};
use atalaya_model::{SegmentKind, ThreatCategory, Verdict};

const PERSONAL: &str = include_str!("data/personal_data.tsv");
const SECRETS: &str = include_str!("data/secrets.tsv");
/// Values that are made of each form of a secret.
const SECRETS_OF_EACH: usize = 12;
/// Bounds of all kinds together, and of each.
const PER_MILLE_MIN: usize = 980;
const PER_MILLE_OF_EACH_MIN: usize = 900;

/// A generator of numbers: the same ones every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % below
    }

    fn of(&mut self, alphabet: &str, count: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..count)
            .map(|_| letters[self.next(letters.len())])
            .collect()
    }
}

/// The signs of an alphabet that `secrets.tsv` names.
fn alphabet(name: &str) -> String {
    const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
    const DIGITS: &str = "0123456789";
    let upper = LOWER.to_uppercase();
    match name {
        "dig" => DIGITS.to_owned(),
        "hex" => format!("{DIGITS}abcdef"),
        "HEX" => format!("{DIGITS}ABCDEF"),
        "alpha" => format!("{LOWER}{upper}"),
        "lower" => format!("{LOWER}{DIGITS}"),
        "upper" => format!("{upper}{DIGITS}"),
        "b32" => format!("{upper}234567"),
        "b62" => format!("{LOWER}{upper}{DIGITS}"),
        "b64" => format!("{LOWER}{upper}{DIGITS}+/"),
        "url" => format!("{LOWER}{upper}{DIGITS}_-"),
        "bech32" => "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".to_owned(),
        _ => panic!("no alphabet {name}"),
    }
}

/// How random parts of a secret are filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    Random,
    /// As in documentation: the same sign again and again.
    Placeholder,
    /// The last part is cut off.
    Cut,
}

/// A secret of a form.
fn secret(form: &str, fill: Fill, numbers: &mut Numbers) -> String {
    let parts: Vec<&str> = form.split('{').collect();
    let last = parts.len() - 1;
    let mut value = parts.first().copied().unwrap_or_default().to_owned();
    for (at, part) in parts.iter().enumerate().skip(1) {
        let (random, rest) = part.split_once('}').expect("a closing brace");
        let (count, name) = random.split_once(' ').unwrap_or(("0", random));
        let count: usize = count.parse().expect("a number");
        value += &match fill {
            _ if name == "github" => github(fill, numbers),
            Fill::Placeholder => "x".repeat(count),
            Fill::Cut if at == last => numbers.of(&alphabet(name), count / 8),
            _ => numbers.of(&alphabet(name), count),
        };
        value += rest;
    }
    value.replace("\\n", "\n")
}

/// A token of GitHub: its last six digits are the CRC-32 of the others, in base 62.
fn github(fill: Fill, numbers: &mut Numbers) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let random = match fill {
        Fill::Random => numbers.of(&alphabet("b62"), 30),
        Fill::Placeholder => "x".repeat(30),
        Fill::Cut => return "ghp_short".to_owned(),
    };
    let crc = random.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    });
    let mut rest = usize::try_from(!crc).unwrap_or(0);
    let mut check = String::new();
    for _ in 0..6 {
        check.insert(0, char::from(DIGITS[rest % 62]));
        rest /= 62;
    }
    format!("ghp_{random}{check}")
}

/// What was asked and answered, by kind.
#[derive(Default)]
struct Tally {
    kinds: BTreeMap<String, [usize; 3]>,
    wrong: Vec<String>,
}

impl Tally {
    fn note(&mut self, rule: &str, valid: bool, found: bool, text: &str) {
        let [asked, hits, alarms] = self.kinds.entry(rule.to_owned()).or_default();
        match (valid, found) {
            (true, _) => {
                *asked += 1;
                *hits += usize::from(found);
            }
            (false, _) => *alarms += usize::from(found),
        }
        if valid != found {
            let what = if valid { "missed" } else { "alarm" };
            self.wrong.push(format!("{what} {rule}: {text}"));
        }
    }

    fn assert(&self) {
        let per_mille = |part: usize, all: usize| part * 1000 / all.max(1);
        let good = |[asked, hits, alarms]: [usize; 3], least: usize| {
            per_mille(hits, asked) >= least && per_mille(hits, hits + alarms) >= least
        };
        let all = self.kinds.values().fold([0; 3], |sum: [usize; 3], kind| {
            std::array::from_fn(|at| sum[at] + kind[at])
        });
        let bad: Vec<_> = self
            .kinds
            .iter()
            .filter(|(_, kind)| !good(**kind, PER_MILLE_OF_EACH_MIN))
            .collect();
        assert!(
            good(all, PER_MILLE_MIN) && bad.is_empty(),
            "asked, found, alarms: {all:?}; kinds below the bound: {bad:?}; {:#?}",
            self.wrong
        );
    }
}

/// Judges a value within a document.
fn judged(value: &str, numbers: &mut Numbers, scratch: &mut Scratch, by: &Inspector) -> Verdict {
    let order = numbers.next(900_000) + 100_000;
    let text = format!("Hello, order {order} of 2024-11-08 came late.\n{value}\nRegards");
    by.inspect_text(&text, SegmentKind::Document, scratch)
}

#[test]
fn personal_data_is_told_from_near_misses() {
    const WEAK: [&str; 3] = [
        "personal_data.email",
        "personal_data.phone",
        "personal_data.ip_address",
    ];
    let inspector = Inspector::builtin();
    let (mut scratch, mut numbers) = (Scratch::default(), Numbers(7));
    let mut tally = Tally::default();
    for line in PERSONAL.lines().filter(|line| !line.starts_with('#')) {
        let [rule, what, text] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else {
            panic!("three columns: {line}");
        };
        let verdict = judged(text, &mut numbers, &mut scratch, &inspector);
        let valid = what == "valid";
        // A near miss of a number may still be read as a telephone number, but as no other one.
        let found = verdict.findings.iter().any(|finding| {
            let is_strong = !WEAK.contains(&finding.rule.as_ref());
            finding.rule == rule
                || !valid
                    && finding.category == ThreatCategory::PersonalData
                    && is_strong
                    && !WEAK.contains(&rule)
        });
        tally.note(rule, valid, found, text);
    }
    assert!(tally.kinds.len() > 60, "{} kinds", tally.kinds.len());
    tally.assert();
}

#[test]
fn secrets_are_told_from_near_misses() {
    let inspector = Inspector::builtin();
    let (mut scratch, mut numbers) = (Scratch::default(), Numbers(11));
    let mut tally = Tally::default();
    let lines = SECRETS.lines().filter(|line| !line.starts_with('#'));
    for (rule, forms) in lines.filter_map(|line| line.split_once('\t')) {
        let (form, misses) = forms.split_once('\t').unwrap_or((forms, ""));
        let mut ask = |text: String, valid: bool, numbers: &mut Numbers| {
            let verdict = judged(&text, numbers, &mut scratch, &inspector);
            let is_secret = |finding: &atalaya_model::Finding| {
                finding.category == ThreatCategory::Secret && (!valid || finding.rule == rule)
            };
            tally.note(rule, valid, verdict.findings.iter().any(is_secret), &text);
        };
        for _ in 0..SECRETS_OF_EACH {
            ask(secret(form, Fill::Random, &mut numbers), true, &mut numbers);
        }
        if misses.is_empty() {
            for fill in [Fill::Placeholder, Fill::Cut] {
                ask(secret(form, fill, &mut numbers), false, &mut numbers);
            }
        }
        for miss in misses.split('\t').filter(|miss| !miss.is_empty()) {
            ask(miss.replace("\\n", "\n"), false, &mut numbers);
        }
    }
    tally.assert();
    let rules = inspector.rules().filter(|rule| rule.starts_with("secret."));
    let unasked: Vec<&str> = rules.filter(|r| !tally.kinds.contains_key(*r)).collect();
    assert!(unasked.is_empty(), "no value is made of {unasked:?}");
}
