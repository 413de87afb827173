//! Payment cards (ISO/IEC 7812) and bank accounts (IBAN, ISO 13616).

use atalaya_model::Span;

use super::{Datum, Number};

/// A card: issuer range, length of that issuer, Luhn.
pub(super) fn card(bytes: &[u8], number: &Number) -> Option<Datum> {
    let digits = number.digits()?;
    let by_issuer = is_issued(digits) && luhn(digits);
    let grouping = !number.is_grouped_at_all()
        || number.is_grouped(&[4, 4, 4, 4])
        || number.is_grouped(&[4, 6, 5])
        || number.is_grouped(&[4, 6, 4])
        || number.is_grouped(&[4, 4, 4, 4, 3]);
    let varied = digits.iter().any(|d| Some(d) != digits.first());
    (by_issuer && grouping && varied && number.stands_alone(bytes))
        .then(|| number.datum("personal_data.card", 70))
}

/// Ranges of the networks that are in use, with their lengths.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = |count: usize| {
        digits
            .iter()
            .take(count)
            .fold(0_u32, |value, digit| value * 10 + u32::from(*digit))
    };
    match digits.len() {
        13 => prefix(1) == 4,
        14 => matches!(prefix(3), 300..=305) || matches!(prefix(2), 36 | 38 | 39),
        15 => matches!(prefix(2), 34 | 37),
        16 => {
            matches!(prefix(1), 4)
                || matches!(prefix(2), 51..=55 | 62 | 65 | 67)
                || matches!(prefix(4), 2221..=2720 | 3528..=3589 | 6011 | 2200..=2204)
                || matches!(prefix(3), 644..=649)
        }
        18 | 19 => matches!(prefix(1), 4) || matches!(prefix(2), 62),
        _ => false,
    }
}

/// Luhn's check (ISO/IEC 7812-1 annex B).
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| {
            let value = u32::from(*digit) * if i % 2 == 1 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Length of an IBAN by country (ISO 13616 registry).
const IBAN_LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// An account number whose check digits begin at `digit`.
pub(super) fn iban(bytes: &[u8], digit: usize) -> Option<Datum> {
    let start = digit.checked_sub(2)?;
    let letters = bytes.get(start..digit)?;
    if !letters.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let country = letters.to_ascii_uppercase();
    let joined = start
        .checked_sub(1)
        .is_some_and(|i| bytes.get(i).is_some_and(u8::is_ascii_alphanumeric));
    let length = IBAN_LENGTHS
        .iter()
        .find(|(code, _)| code.as_slice() == country)
        .map(|(_, length)| *length)?;
    let mut value = [0_u8; 34];
    let mut count = 0;
    let mut at = start;
    while count < length {
        let b = *bytes.get(at)?;
        if b.is_ascii_alphanumeric() {
            *value.get_mut(count)? = b.to_ascii_uppercase();
            count += 1;
        } else if !matches!(b, b' ' | b'-') || count < 4 {
            return None;
        }
        at += 1;
    }
    let ends = !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    (!joined && ends && mod_97(value.get(..length)?) == 1).then_some(Datum {
        rule: "personal_data.iban",
        score: 45,
        span: Span::new(start, at),
    })
}

/// ISO 7064 MOD 97-10 over an IBAN whose first four characters move to the end.
fn mod_97(iban: &[u8]) -> u32 {
    let (head, body) = iban.split_at(iban.len().min(4));
    body.iter().chain(head).fold(0, |rest, b| {
        if b.is_ascii_digit() {
            (rest * 10 + u32::from(b - b'0')) % 97
        } else {
            (rest * 100 + u32::from(b - b'A') + 10) % 97
        }
    })
}
