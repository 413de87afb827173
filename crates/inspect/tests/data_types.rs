//! Secrets and personal data in generated documents: valid values are found, and what only looks
//! like them is not.

use atalaya_inspect::{Inspector, Scratch};
use atalaya_model::{SegmentKind, ThreatCategory};

/// A generator of numbers: the same ones every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| digit(self.next(10))).collect()
    }

    fn letters(&mut self, count: usize, alphabet: &str) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let size = u64::try_from(letters.len()).unwrap_or(1);
        let mut any = || usize::try_from(self.next(size)).unwrap_or(0);
        (0..count).map(|_| letters[any()]).collect()
    }
}

const BASE62: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn digit(value: u64) -> char {
    char::from_digit(u32::try_from(value % 10).unwrap_or(0), 10).unwrap_or('0')
}

fn values(text: &str) -> Vec<u64> {
    text.chars()
        .filter_map(|c| c.to_digit(10))
        .map(u64::from)
        .collect()
}

fn luhn(body: &str) -> char {
    let doubled = |(at, value): (usize, u64)| match at % 2 {
        0 => value * 2 / 10 + value * 2 % 10,
        _ => value,
    };
    let sum: u64 = values(body)
        .into_iter()
        .rev()
        .enumerate()
        .map(doubled)
        .sum();
    digit((10 - sum % 10) % 10)
}

fn weighted(body: &str, weights: &[u64]) -> u64 {
    values(body)
        .iter()
        .zip(weights)
        .map(|(value, weight)| value * weight)
        .sum()
}

/// Check digits of a German account.
fn iban(account: &str) -> u64 {
    let moved = format!("{account}131400");
    98 - moved
        .chars()
        .filter_map(|c| c.to_digit(10))
        .fold(0, |rest, value| (rest * 10 + u64::from(value)) % 97)
}

/// Another last digit.
fn spoiled(value: &str) -> String {
    let mut chars: Vec<char> = value.chars().collect();
    if let Some(last) = chars.iter_mut().rev().find(|c| c.is_ascii_digit()) {
        *last = digit(u64::from(last.to_digit(10).unwrap_or(0)) + 1);
    }
    chars.into_iter().collect()
}

/// A sentence with a valid value, one with a near miss, and whether both are a secret.
fn sample(kind: u64, numbers: &mut Numbers) -> (String, String, ThreatCategory) {
    let personal = |before: &str, value: String| {
        let miss = spoiled(&value);
        (
            format!("{before} {value}"),
            format!("{before} {miss}"),
            ThreatCategory::PersonalData,
        )
    };
    let secret = |valid: String, miss: String| (valid, miss, ThreatCategory::Secret);
    match kind {
        0 => {
            let body = format!("4{}", numbers.digits(14));
            personal("paid with", format!("{body}{}", luhn(&body)))
        }
        1 => {
            let account = numbers.digits(18);
            personal("transfer to", format!("DE{:02}{account}", iban(&account)))
        }
        2 => {
            let body = format!("{}0112{}", numbers.next(90) + 10, numbers.digits(4));
            let sum = weighted(&body, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
            personal("PESEL", format!("{body}{}", digit(10 - sum % 10)))
        }
        3 => {
            let body = numbers.digits(8);
            let number: u64 = body.parse().unwrap_or(0);
            let letter = |at: u64| {
                char::from(b"TRWAGMYFPDXBNJZSQVHLCKE"[usize::try_from(at % 23).unwrap_or(0)])
            };
            let valid = format!("DNI {body}{}", letter(number));
            (
                valid,
                format!("DNI {body}{}", letter(number + 5)),
                ThreatCategory::PersonalData,
            )
        }
        4 => {
            let key = numbers.letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
            secret(
                format!("key AKIA{key} in use"),
                format!("key AKIA{} in use", &key[..12]),
            )
        }
        5 => {
            let key = numbers.letters(36, BASE62);
            secret(format!("npm_{key}"), format!("npm_{}", &key[..30]))
        }
        6 => {
            let key = numbers.letters(48, BASE62);
            secret(
                format!("token: gsk_{key}"),
                format!("token: gsk_{}", &key[..20]),
            )
        }
        _ => {
            let key = numbers.letters(32, "0123456789abcdef");
            secret(format!("dapi{key}"), format!("dapi{}", &key[..24]))
        }
    }
}

#[test]
fn valid_values_are_found_and_near_misses_are_not() {
    const DOCUMENTS: u64 = 800;
    let inspector = Inspector::builtin();
    let mut scratch = Scratch::default();
    let mut numbers = Numbers(7);
    let (mut found, mut alarms) = (0_u64, 0_u64);
    let mut wrong = Vec::new();
    for document in 0..DOCUMENTS {
        let (valid, miss, category) = sample(document % 8, &mut numbers);
        let order = numbers.digits(6);
        let mut has = |value: &str| {
            let text = format!("Hello, order {order} of 2024-11-08 came late.\n{value}\nRegards");
            let verdict = inspector.inspect_text(&text, SegmentKind::Document, &mut scratch);
            let of_kind = verdict
                .findings
                .iter()
                .filter(|finding| finding.category == category);
            of_kind.count() > 0
        };
        match has(&valid) {
            true => found += 1,
            false => wrong.push(format!("missed {valid}")),
        }
        if has(&miss) {
            alarms += 1;
            wrong.push(format!("alarm {miss}"));
        }
    }
    let precision = found * 1000 / (found + alarms).max(1);
    assert!(
        found * 1000 >= DOCUMENTS * 980 && precision >= 980,
        "{found} of {DOCUMENTS} found, {alarms} alarms: {wrong:?}"
    );
}
