//! National identity numbers with check digits.

mod more;
mod shapes;

use atalaya_model::Span;

pub(super) use self::shapes::by_shape;
use super::accounts::luhn;
use super::{Datum, Number};

/// What a number needs beside its check digit to count.
enum Needs {
    /// Its own grouping.
    Groups(&'static [u8]),
    /// Its name in front of it.
    Name,
}

struct Kind {
    rule: &'static str,
    score: u8,
    digits: usize,
    valid: fn(&[u8]) -> bool,
    needs: &'static [Needs],
    names: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        rule: "personal_data.us_ssn",
        score: 50,
        digits: 9,
        valid: us_ssn,
        needs: &[Needs::Groups(&[3, 2, 4]), Needs::Name],
        names: &["ssn", "social security"],
    },
    Kind {
        rule: "personal_data.br_cpf",
        score: 45,
        digits: 11,
        valid: br_cpf,
        needs: &[Needs::Groups(&[3, 3, 3, 2]), Needs::Name],
        names: &["cpf"],
    },
    Kind {
        rule: "personal_data.ch_ahv",
        score: 45,
        digits: 13,
        valid: ch_ahv,
        needs: &[Needs::Groups(&[3, 4, 4, 2]), Needs::Name],
        names: &["ahv", "avs"],
    },
    Kind {
        rule: "personal_data.in_aadhaar",
        score: 45,
        digits: 12,
        valid: in_aadhaar,
        needs: &[Needs::Groups(&[4, 4, 4]), Needs::Name],
        names: &["aadhaar", "aadhar", "uidai"],
    },
    Kind {
        rule: "personal_data.pl_pesel",
        score: 45,
        digits: 11,
        valid: pl_pesel,
        needs: &[Needs::Name],
        names: &["pesel"],
    },
    Kind {
        rule: "personal_data.de_tax_id",
        score: 45,
        digits: 11,
        valid: de_tax_id,
        needs: &[Needs::Name],
        names: &[
            "steuer-id",
            "steuer id",
            "steueridentifikation",
            "steuer-identifikation",
            "idnr",
            "tax id",
        ],
    },
    Kind {
        rule: "personal_data.nl_bsn",
        score: 45,
        digits: 9,
        valid: nl_bsn,
        needs: &[Needs::Name],
        names: &["bsn", "burgerservicenummer", "sofinummer"],
    },
    Kind {
        rule: "personal_data.uk_nhs",
        score: 45,
        digits: 10,
        valid: uk_nhs,
        needs: &[Needs::Name],
        names: &["nhs"],
    },
    Kind {
        rule: "personal_data.fr_nir",
        score: 45,
        digits: 15,
        valid: fr_nir,
        needs: &[Needs::Groups(&[1, 2, 2, 2, 3, 3, 2]), Needs::Name],
        names: &["nir", "securite sociale", "sécurité sociale", "sécu"],
    },
    Kind {
        rule: "personal_data.se_personnummer",
        score: 45,
        digits: 10,
        valid: luhn,
        needs: &[Needs::Name],
        names: &["personnummer"],
    },
    Kind {
        rule: "personal_data.cn_resident_id",
        score: 45,
        digits: 18,
        valid: cn_resident_id,
        needs: &[Needs::Groups(&[18])],
        names: &[],
    },
];

/// Numbers of digits only, behind their name: it says more than how they are written.
pub(super) fn by_name(text: &str, number: &Number) -> Option<Datum> {
    by_digits(text, number, |kind, needs| match needs {
        Needs::Groups(_) => false,
        Needs::Name => is_named(text, number.start, kind.names),
    })
}

/// Numbers of digits only, in groups of their own.
pub(super) fn by_grouping(text: &str, number: &Number) -> Option<Datum> {
    by_digits(text, number, |_, needs| match needs {
        Needs::Groups(groups) => number.is_grouped(groups),
        Needs::Name => false,
    })
}

fn by_digits(text: &str, number: &Number, has: impl Fn(&Kind, &Needs) -> bool) -> Option<Datum> {
    let digits = number.digits()?;
    if digits.len() < 9 || !number.stands_alone(text.as_bytes()) {
        return None;
    }
    KINDS
        .iter()
        .chain(more::KINDS)
        .find(|kind| {
            kind.digits == digits.len()
                && (kind.valid)(digits)
                && kind.needs.iter().any(|needs| has(kind, needs))
        })
        .map(|kind| number.datum(kind.rule, kind.score))
}

/// Numbers with letters before or after the digits.
pub(super) fn by_letters(bytes: &[u8], number: &Number) -> Option<Datum> {
    let digits = number.digits()?;
    let after = bytes
        .get(number.end)
        .copied()
        .map(|b| b.to_ascii_uppercase());
    let ends = !bytes
        .get(number.end + 1)
        .is_some_and(u8::is_ascii_alphanumeric);
    let before = |count: usize| {
        number
            .start
            .checked_sub(count)
            .and_then(|i| bytes.get(i..number.start))
    };
    let starts = |count: usize| {
        let at = number.start.checked_sub(count + 1);
        !at.and_then(|i| bytes.get(i))
            .is_some_and(u8::is_ascii_alphanumeric)
    };
    let spanned = |rule, back: usize| Datum {
        rule,
        score: 45,
        span: Span::new(number.start - back, number.end + 1),
    };
    match (digits.len(), after) {
        (8, Some(letter)) if starts(0) && ends && es_dni(digits) == letter => {
            Some(spanned("personal_data.es_dni", 0))
        }
        (17, Some(b'X')) if starts(0) && ends && cn_check(digits) == Some(10) => {
            Some(spanned("personal_data.cn_resident_id", 0))
        }
        (6, Some(b'A'..=b'D')) if starts(2) && ends && before(2).is_some_and(is_nino_prefix) => {
            Some(spanned("personal_data.uk_nino", 2))
        }
        _ => None,
    }
}

fn is_named(text: &str, start: usize, names: &[&str]) -> bool {
    const NAME_REACH_BYTES: usize = 40;
    let from = text.floor_char_boundary(start.saturating_sub(NAME_REACH_BYTES));
    let before = text.get(from..start).unwrap_or("").to_lowercase();
    names.iter().any(|name| {
        before.match_indices(name).any(|(at, _)| {
            let previous = at.checked_sub(1).and_then(|i| before.as_bytes().get(i));
            let rest = before.get(at + name.len()..).unwrap_or("");
            !previous.is_some_and(u8::is_ascii_alphanumeric) && !goes_on(name, rest)
        })
    })
}

/// Whether a short name is the beginning of a word: `sin` of `since`.
fn goes_on(name: &str, rest: &str) -> bool {
    const WHOLE_WORD_CHARS_MAX: usize = 4;
    /// From here on scripts need no blanks, or put particles behind words.
    const SPACED_END: char = '\u{0590}';
    let is_short = name.chars().count() <= WHOLE_WORD_CHARS_MAX;
    let is_spaced = name.chars().all(|c| c < SPACED_END);
    is_short && is_spaced && rest.chars().next().is_some_and(char::is_alphabetic)
}

fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum()
}

fn number(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(*digit))
}

fn part(digits: &[u8], from: usize, to: usize) -> u64 {
    digits.get(from..to).map_or(0, number)
}

/// Areas 000, 666 and 9xx, group 00 and serial 0000 are never issued (SSA POMS RM 10201.035).
fn us_ssn(digits: &[u8]) -> bool {
    !matches!(part(digits, 0, 3), 0 | 666 | 900..)
        && part(digits, 3, 5) != 0
        && part(digits, 5, 9) != 0
}

fn br_cpf(digits: &[u8]) -> bool {
    let check = |count: usize| {
        let sum: u32 = digits
            .iter()
            .take(count)
            .zip((2..=count as u32 + 1).rev())
            .map(|(digit, weight)| u32::from(*digit) * weight)
            .sum();
        Some((sum * 10 % 11 % 10) as u8) == digits.get(count).copied()
    };
    digits.iter().any(|d| Some(d) != digits.first()) && check(9) && check(10)
}

fn ch_ahv(digits: &[u8]) -> bool {
    part(digits, 0, 3) == 756
        && weighted(digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

fn pl_pesel(digits: &[u8]) -> bool {
    let month = part(digits, 2, 4) % 20;
    weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
        && (1..=12).contains(&month)
        && (1..=31).contains(&part(digits, 4, 6))
}

/// ISO 7064 MOD 11,10; the first digit is not 0.
fn de_tax_id(digits: &[u8]) -> bool {
    let Some((check, body)) = digits.split_last() else {
        return false;
    };
    let product = body.iter().fold(10_u32, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    digits.first() != Some(&0) && (11 - product) % 10 == u32::from(*check)
}

fn nl_bsn(digits: &[u8]) -> bool {
    let last = u32::from(digits.last().copied().unwrap_or(0));
    let sum = weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum % 11 == last && sum > 0
}

fn uk_nhs(digits: &[u8]) -> bool {
    let last = u32::from(digits.last().copied().unwrap_or(0));
    let check = 11 - weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    check != 10 && check % 11 == last
}

fn fr_nir(digits: &[u8]) -> bool {
    matches!(digits.first(), Some(1 | 2)) && 97 - part(digits, 0, 13) % 97 == part(digits, 13, 15)
}

fn es_dni(digits: &[u8]) -> u8 {
    let index = usize::try_from(number(digits) % 23).unwrap_or(0);
    b"TRWAGMYFPDXBNJZSQVHLCKE".get(index).copied().unwrap_or(0)
}

fn is_nino_prefix(prefix: &[u8]) -> bool {
    let [first, second] = prefix else {
        return false;
    };
    let allowed =
        |b: &u8| b.is_ascii_uppercase() && !matches!(b, b'D' | b'F' | b'I' | b'Q' | b'U' | b'V');
    allowed(first)
        && allowed(second)
        && *second != b'O'
        && !matches!(
            prefix,
            b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ"
        )
}

/// GB 11643-1999, ISO 7064 MOD 11-2; 10 is written X.
fn cn_check(digits: &[u8]) -> Option<u32> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let year = part(digits, 6, 10);
    let month = part(digits, 10, 12);
    let plausible = (1900..=2100).contains(&year) && (1..=12).contains(&month);
    plausible.then(|| (12 - weighted(digits, &WEIGHTS) % 11) % 11)
}

fn cn_resident_id(digits: &[u8]) -> bool {
    cn_check(digits) == digits.last().map(|digit| u32::from(*digit))
}

/// Verhoeff's check over the dihedral group D5.
fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let multiply = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let check = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |check, (place, digit)| {
            let mut value = *digit;
            for _ in 0..place % 8 {
                value = PERMUTATION.get(usize::from(value)).copied().unwrap_or(0);
            }
            multiply(check, value)
        });
    check == 0
}

fn in_aadhaar(digits: &[u8]) -> bool {
    verhoeff(digits) && !matches!(digits.first(), Some(0 | 1))
}
