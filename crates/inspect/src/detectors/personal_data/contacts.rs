//! E-mail addresses, telephone numbers, IP addresses: frequent, and weak.

use atalaya_model::Span;

use super::{Datum, Number};

const EMAIL_SCORE: u8 = 8;
const PHONE_SCORE: u8 = 8;
const IP_SCORE: u8 = 5;

/// Every e-mail address: local part, `@`, host with a top-level domain of letters.
pub(super) fn emails(bytes: &[u8], found: &mut dyn FnMut(Datum)) {
    const LOCAL_BYTES_MAX: usize = 64;
    const HOST_BYTES_MAX: usize = 253;
    for at in memchr::memchr_iter(b'@', bytes) {
        let before = bytes
            .get(at.saturating_sub(LOCAL_BYTES_MAX)..at)
            .unwrap_or_default();
        let local = before.iter().rev().take_while(|b| is_local(**b)).count();
        let after = bytes
            .get(at + 1..(at + 1 + HOST_BYTES_MAX).min(bytes.len()))
            .unwrap_or_default();
        let host = after
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
            .count();
        let mut host = after.get(..host).unwrap_or_default();
        while let [rest @ .., b'.' | b'-'] = host {
            host = rest;
        }
        let domain = host.rsplit(|b| *b == b'.').next().unwrap_or_default();
        let valid =
            host.contains(&b'.') && domain.len() >= 2 && domain.iter().all(u8::is_ascii_alphabetic);
        if local > 0 && valid && before.get(before.len() - local) != Some(&b'.') {
            found(Datum {
                rule: "personal_data.email",
                score: EMAIL_SCORE,
                span: Span::new(at - local, at + 1 + host.len()),
            });
        }
    }
}

const fn is_local(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

/// An IPv4 address that belongs to somebody: not private, loopback, link-local or unspecified.
pub(super) fn ip_address(bytes: &[u8], number: &Number) -> Option<Datum> {
    if number.separator != Some(b'.') || !number.stands_alone(bytes) {
        return None;
    }
    let text = std::str::from_utf8(bytes.get(number.start..number.end)?).ok()?;
    let address: std::net::Ipv4Addr = text.parse().ok()?;
    let nobody = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast();
    // Four small numbers are a version.
    let version = address.octets().iter().all(|octet| *octet < 20);
    (!nobody && !version).then(|| number.datum("personal_data.ip_address", IP_SCORE))
}

/// A telephone number: international with `+`, or North American with its grouping.
pub(super) fn phone(bytes: &[u8], number: &Number) -> Option<Datum> {
    /// Shortest and longest international number (ITU-T E.164).
    const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
    let digits = number.digits()?;
    let plus = number
        .start
        .checked_sub(1)
        .filter(|i| bytes.get(*i) == Some(&b'+'));
    if let Some(start) = plus {
        return international(bytes, number, start, digits.len(), &DIGITS);
    }
    let open = number
        .start
        .checked_sub(1)
        .filter(|i| bytes.get(*i) == Some(&b'('));
    if let Some(start) = open.filter(|_| number.is_grouped(&[3])) {
        let end = local_number(bytes, number.end)?;
        return Some(datum(start, end));
    }
    let american = number.is_grouped(&[3, 3, 4]) || number.is_grouped(&[1, 3, 3, 4]);
    (american && number.stands_alone(bytes)).then(|| datum(number.start, number.end))
}

/// After `+1`, groups may stand in parentheses.
fn international(
    bytes: &[u8],
    number: &Number,
    start: usize,
    count: usize,
    lengths: &std::ops::RangeInclusive<usize>,
) -> Option<Datum> {
    if lengths.contains(&count) {
        return Some(datum(start, number.end));
    }
    let mut digits = count;
    let mut end = number.end;
    for (at, b) in bytes.iter().enumerate().skip(number.end).take(24) {
        match b {
            b'0'..=b'9' => {
                digits += 1;
                end = at + 1;
            }
            b' ' | b'-' | b'(' | b')' | b'.' => {}
            _ => break,
        }
    }
    lengths.contains(&digits).then(|| datum(start, end))
}

/// `) 555-2671`
fn local_number(bytes: &[u8], close: usize) -> Option<usize> {
    let rest = bytes.get(close..)?.strip_prefix(b")")?;
    let blank = usize::from(rest.first() == Some(&b' '));
    let local = rest.get(blank..blank + 8)?;
    let shaped = local.iter().enumerate().all(|(i, b)| {
        if i == 3 {
            matches!(b, b'-' | b' ' | b'.')
        } else {
            b.is_ascii_digit()
        }
    });
    shaped.then_some(close + 1 + blank + 8)
}

const fn datum(start: usize, end: usize) -> Datum {
    Datum {
        rule: "personal_data.phone",
        score: PHONE_SCORE,
        span: Span::new(start, end),
    }
}
