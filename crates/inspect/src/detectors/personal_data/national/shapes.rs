//! National identity numbers with letters among the digits, and passports behind their name.
//!
//! A shape is a picture of the number: `A` a capital letter, `0` a digit, `#` either one, anything
//! else itself. Look-ups start at its first digit, which is where the scan for numbers stops.

use atalaya_model::Span;

use super::{Datum, Number, is_named, part};

struct Shape {
    rule: &'static str,
    picture: &'static [u8],
    valid: fn(&[u8]) -> bool,
    /// What has to stand before it; nothing is asked if there is no name.
    names: &'static [&'static str],
}

const SHAPES: &[Shape] = &[
    Shape {
        rule: "personal_data.it_codice_fiscale",
        picture: b"AAAAAA00A00A000A",
        valid: it_codice_fiscale,
        names: &[],
    },
    Shape {
        rule: "personal_data.mx_curp",
        picture: b"AAAA000000AAAAAA#0",
        valid: mx_curp,
        names: &[],
    },
    Shape {
        rule: "personal_data.in_pan",
        picture: b"AAAAA0000A",
        valid: in_pan,
        names: &[],
    },
    Shape {
        rule: "personal_data.ie_pps",
        picture: b"0000000A",
        valid: ie_pps,
        names: &["pps", "ppsn", "ppsn:"],
    },
    Shape {
        rule: "personal_data.ie_pps",
        picture: b"0000000AA",
        valid: ie_pps,
        names: &["pps", "ppsn"],
    },
    Shape {
        rule: "personal_data.es_nie",
        picture: b"A0000000A",
        valid: es_nie,
        names: &[],
    },
    Shape {
        rule: "personal_data.fi_hetu",
        picture: b"000000-000#",
        valid: fi_hetu,
        names: &[],
    },
    Shape {
        rule: "personal_data.fi_hetu",
        picture: b"000000A000#",
        valid: fi_hetu,
        names: &[],
    },
    Shape {
        rule: "personal_data.sg_nric",
        picture: b"A0000000A",
        valid: sg_nric,
        names: &[],
    },
    Shape {
        rule: "personal_data.tw_national_id",
        picture: b"A000000000",
        valid: tw_national_id,
        names: &[],
    },
    Shape {
        rule: "personal_data.hk_id",
        picture: b"A000000(#)",
        valid: hk_id,
        names: &[],
    },
    Shape {
        rule: "personal_data.cl_rut",
        picture: b"00.000.000-#",
        valid: cl_rut,
        names: &[],
    },
    Shape {
        rule: "personal_data.cl_rut",
        picture: b"0.000.000-#",
        valid: cl_rut,
        names: &[],
    },
    Shape {
        rule: "personal_data.cl_rut",
        picture: b"00000000-#",
        valid: cl_rut,
        names: &["rut", "run"],
    },
    Shape {
        rule: "personal_data.se_personnummer",
        picture: b"000000-0000",
        valid: se_personnummer,
        names: &["personnummer", "pnr"],
    },
    Shape {
        rule: "personal_data.cz_birth_number",
        picture: b"000000/0000",
        valid: cz_birth_number,
        names: &[],
    },
    Shape {
        rule: "personal_data.ru_snils",
        picture: b"000-000-000 00",
        valid: ru_snils,
        names: &[],
    },
    Shape {
        rule: "personal_data.de_social_security",
        picture: b"00000000A000",
        valid: de_social_security,
        names: &[
            "sozialversicherungsnummer",
            "rentenversicherungsnummer",
            "sv-nummer",
            "rvnr",
        ],
    },
    Shape {
        rule: "personal_data.passport",
        picture: b"A00000000",
        valid: any,
        names: PASSPORT,
    },
    Shape {
        rule: "personal_data.passport",
        picture: b"AA0000000",
        valid: any,
        names: PASSPORT,
    },
    Shape {
        rule: "personal_data.passport",
        picture: b"AA000000",
        valid: any,
        names: PASSPORT,
    },
    Shape {
        rule: "personal_data.passport",
        picture: b"A0000000",
        valid: any,
        names: PASSPORT,
    },
    Shape {
        rule: "personal_data.passport",
        picture: b"00AA00000",
        valid: any,
        names: PASSPORT,
    },
    Shape {
        rule: "personal_data.passport",
        picture: b"C0#######",
        valid: any,
        names: PASSPORT,
    },
    Shape {
        rule: "personal_data.passport",
        picture: b"000000000",
        valid: any,
        names: PASSPORT,
    },
];

/// Of each shape: where its digits start, how many there are, and whether more may follow.
static DIGITS: [(usize, usize, bool); SHAPES.len()] = digits_of_shapes();

const fn digits_of_shapes() -> [(usize, usize, bool); SHAPES.len()] {
    let mut all = [(0, 0, false); SHAPES.len()];
    let mut shape = 0;
    while shape < all.len() {
        let picture = SHAPES[shape].picture;
        let mut start = 0;
        while picture[start] != b'0' {
            start += 1;
        }
        let mut end = start;
        while end < picture.len() && picture[end] == b'0' {
            end += 1;
        }
        all[shape] = (
            start,
            end - start,
            end < picture.len() && picture[end] == b'#',
        );
        shape += 1;
    }
    all
}

const PASSPORT: &[&str] = &[
    "passport",
    "passeport",
    "reisepass",
    "pasaporte",
    "passaporte",
    "passaporto",
    "paspoort",
    "паспорт",
    "护照",
    "旅券",
    "여권",
];

/// The shape of which the digit at the number's start is the first one.
pub(in crate::detectors::personal_data) fn by_shape(text: &str, number: &Number) -> Option<Datum> {
    let bytes = text.as_bytes();
    let digits = number.first_group();
    let fitting = SHAPES.iter().zip(&DIGITS);
    let fitting =
        fitting.filter(|(_, (_, run, goes_on))| digits == *run || digits > *run && *goes_on);
    fitting.into_iter().find_map(|(shape, (back, ..))| {
        let start = number.start.checked_sub(*back)?;
        let end = start + shape.picture.len();
        let found = bytes.get(start..end)?;
        let fits = shape
            .picture
            .iter()
            .zip(found)
            .all(|(want, have)| match want {
                b'A' => have.is_ascii_uppercase(),
                b'0' => have.is_ascii_digit(),
                b'#' => have.is_ascii_digit() || have.is_ascii_uppercase(),
                other => have == other,
            });
        let joined = |at: Option<&u8>| at.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let alone =
            !joined(start.checked_sub(1).and_then(|i| bytes.get(i))) && !joined(bytes.get(end));
        let named = || shape.names.is_empty() || is_named(text, start, shape.names);
        (fits && alone && (shape.valid)(found) && named()).then(|| Datum {
            rule: shape.rule,
            score: 45,
            span: Span::new(start, end),
        })
    })
}

fn any(_found: &[u8]) -> bool {
    true
}

fn digits(found: &[u8]) -> Vec<u32> {
    found
        .iter()
        .filter(|b| b.is_ascii_digit())
        .map(|b| u32::from(b - b'0'))
        .collect()
}

fn sum(digits: &[u32], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
}

fn letter(found: &[u8], at: usize) -> u8 {
    found.get(at).copied().unwrap_or(0)
}

/// D.M. 23/12/1976: characters at odd places have a table of their own.
fn it_codice_fiscale(found: &[u8]) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let value = |b: u8| {
        usize::from(if b.is_ascii_digit() {
            b - b'0'
        } else {
            b - b'A'
        })
    };
    let total: u32 = found
        .iter()
        .take(15)
        .enumerate()
        .map(|(place, b)| {
            if place % 2 == 0 {
                ODD.get(value(*b)).copied().unwrap_or(0)
            } else {
                u32::try_from(value(*b)).unwrap_or(0)
            }
        })
        .sum();
    u32::from(letter(found, 15).wrapping_sub(b'A')) == total % 26
}

fn mx_curp(found: &[u8]) -> bool {
    const ALPHABET: &str = "0123456789ABCDEFGHIJKLMN\u{d1}OPQRSTUVWXYZ";
    let value = |b: &u8| {
        ALPHABET
            .chars()
            .position(|c| u32::from(c) == u32::from(*b))
            .unwrap_or(0)
    };
    let total: usize = found
        .iter()
        .take(17)
        .enumerate()
        .map(|(i, b)| value(b) * (18 - i))
        .sum();
    let sex = matches!(letter(found, 10), b'H' | b'M' | b'X');
    let born = bytes_of(&digits(found.get(..10).unwrap_or_default()));
    let date = super::more::plausible_date(part(&born, 2, 4), part(&born, 4, 6));
    sex && date && (10 - total % 10) % 10 == usize::from(letter(found, 17).wrapping_sub(b'0'))
}

/// The fourth letter names the kind of holder; the check letter's algorithm is not public.
fn in_pan(found: &[u8]) -> bool {
    matches!(
        letter(found, 3),
        b'P' | b'C' | b'H' | b'A' | b'B' | b'G' | b'J' | b'L' | b'F' | b'T'
    )
}

fn ie_pps(found: &[u8]) -> bool {
    let second = match letter(found, 8) {
        0 | b'W' => 0,
        b => u32::from(b - b'A' + 1) * 9,
    };
    let rest = (sum(&digits(found), &[8, 7, 6, 5, 4, 3, 2]) + second) % 23;
    let wanted = if rest == 0 {
        b'W'
    } else {
        b'A' + u8::try_from(rest - 1).unwrap_or(0)
    };
    letter(found, 7) == wanted
}

fn es_nie(found: &[u8]) -> bool {
    let first = match letter(found, 0) {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        _ => return false,
    };
    let value = digits(found)
        .iter()
        .fold(first, |value, digit| value * 10 + digit);
    b"TRWAGMYFPDXBNJZSQVHLCKE".get((value % 23) as usize) == found.last()
}

fn fi_hetu(found: &[u8]) -> bool {
    if !matches!(letter(found, 6), b'-' | b'A'..=b'F' | b'U'..=b'Y') {
        return false;
    }
    let body = found.get(..10).unwrap_or_default();
    let value = digits(body)
        .iter()
        .fold(0_u64, |value, digit| value * 10 + u64::from(*digit));
    b"0123456789ABCDEFHJKLMNPRSTUVWXY".get(usize::try_from(value % 31).unwrap_or(0)) == found.last()
}

fn sg_nric(found: &[u8]) -> bool {
    let total = sum(&digits(found), &[2, 7, 6, 5, 4, 3, 2]);
    let (letters, offset): (&[u8; 11], u32) = match letter(found, 0) {
        b'S' => (b"JZIHGFEDCBA", 0),
        b'T' => (b"JZIHGFEDCBA", 4),
        b'F' => (b"XWUTRQPNMLK", 0),
        b'G' => (b"XWUTRQPNMLK", 4),
        b'M' => (b"XWUTRQPNJLK", 3),
        _ => return false,
    };
    letters.get(((total + offset) % 11) as usize) == found.last()
}

fn tw_national_id(found: &[u8]) -> bool {
    const CODES: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(code) = CODES.iter().position(|c| *c == letter(found, 0)) else {
        return false;
    };
    let code = u32::try_from(code).unwrap_or(0) + 10;
    let digits = digits(found);
    matches!(digits.first(), Some(1 | 2 | 8 | 9))
        && (code / 10 + code % 10 * 9 + sum(&digits, &[8, 7, 6, 5, 4, 3, 2, 1, 1]))
            .is_multiple_of(10)
}

fn hk_id(found: &[u8]) -> bool {
    let first = u32::from(letter(found, 0) - b'A') + 10;
    let body = found.get(..7).unwrap_or_default();
    let total = 36 * 9 + first * 8 + sum(&digits(body), &[7, 6, 5, 4, 3, 2]);
    let check = match letter(found, 8) {
        b'A' => 10,
        b => u32::from(b.wrapping_sub(b'0')),
    };
    (total + check).is_multiple_of(11)
}

fn cl_rut(found: &[u8]) -> bool {
    let Some((check, body)) = found.split_last() else {
        return false;
    };
    let total: u32 = digits(body)
        .iter()
        .rev()
        .zip([2, 3, 4, 5, 6, 7].iter().cycle())
        .map(|(d, w)| d * w)
        .sum();
    let wanted = match 11 - total % 11 {
        11 => b'0',
        10 => b'K',
        value => b'0' + u8::try_from(value).unwrap_or(0),
    };
    *check == wanted
}

fn bytes_of(digits: &[u32]) -> Vec<u8> {
    digits
        .iter()
        .filter_map(|digit| u8::try_from(*digit).ok())
        .collect()
}

fn ru_snils(found: &[u8]) -> bool {
    super::more::ru_snils(&bytes_of(&digits(found)))
}

fn se_personnummer(found: &[u8]) -> bool {
    super::luhn(&bytes_of(&digits(found)))
}

fn cz_birth_number(found: &[u8]) -> bool {
    let digits = digits(found);
    let value = digits
        .iter()
        .fold(0_u64, |value, digit| value * 10 + u64::from(*digit));
    let month = digits
        .get(2..4)
        .map_or(0, |m| m.iter().fold(0, |v, d| v * 10 + d))
        % 50
        % 20;
    value.is_multiple_of(11) && (1..=12).contains(&month)
}

fn de_social_security(found: &[u8]) -> bool {
    let letter_value = u32::from(letter(found, 8).wrapping_sub(b'A')) + 1;
    let mut all = digits(found.get(..8).unwrap_or_default());
    all.extend([letter_value / 10, letter_value % 10]);
    all.extend(digits(found.get(9..11).unwrap_or_default()));
    let total: u32 = all
        .iter()
        .zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1])
        .map(|(digit, weight)| {
            let product = digit * weight;
            product / 10 + product % 10
        })
        .sum();
    total % 10 == u32::from(letter(found, 11).wrapping_sub(b'0'))
}
