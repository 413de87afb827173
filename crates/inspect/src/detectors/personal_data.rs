//! Data about persons: cards, accounts, national ids, e-mail, telephone, IP addresses.
//!
//! Numbers count only if their check digits do; where a check digit alone would let one in ten
//! order numbers pass, the number also has to be written in its own grouping or to follow its
//! name. What identifies nobody by itself (e-mail, telephone, address) scores so low that no
//! sensible policy stops a call for it; it is there to be counted or redacted.
//!
//! Trade-off: ASCII digits only, and only in the text as written: personal data is leaked, not
//! hidden. Left out: names, postal addresses, dates of birth (they need a language model).

mod accounts;
mod contacts;
mod national;

use atalaya_model::{Finding, Span, ThreatCategory};

use super::{Detector, Reading};

/// The detector.
#[derive(Debug)]
pub(crate) struct PersonalData;

/// Findings of one kind in one segment; a customer list has thousands.
const FINDINGS_PER_KIND_MAX: usize = 8;

/// Kinds that are counted in one segment; those beyond are left out.
const KINDS_MAX: usize = 80;

/// Something that was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datum {
    pub(crate) rule: &'static str,
    pub(crate) score: u8,
    pub(crate) span: Span,
}

impl Detector for PersonalData {
    fn name(&self) -> &'static str {
        "personal_data"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn detect(&self, segment: &Reading<'_>, found: &mut Vec<Finding>) {
        let mut counts: [(&str, usize); KINDS_MAX] = [("", 0); KINDS_MAX];
        scan(segment.original(), &mut |datum| {
            let Some((rule, count)) = counts
                .iter_mut()
                .find(|(rule, _)| *rule == datum.rule || rule.is_empty())
            else {
                return;
            };
            *rule = datum.rule;
            *count += 1;
            if *count > FINDINGS_PER_KIND_MAX {
                return;
            }
            found.push(Finding {
                category: ThreatCategory::PersonalData,
                score: datum.score,
                rule: datum.rule.into(),
                segment: segment.index(),
                kind: segment.kind(),
                span: datum.span,
                atlas: ATLAS.into(),
            });
        });
    }
}

const ATLAS: &[std::borrow::Cow<'static, str>] = &[std::borrow::Cow::Borrowed("AML.T0057")];

/// Calls `found` for everything in a text, from left to right by kind.
pub(crate) fn scan(text: &str, found: &mut dyn FnMut(Datum)) {
    let bytes = text.as_bytes();
    contacts::emails(bytes, found);
    let mut at = 0;
    while let Some(start) = next_digit(bytes, at) {
        if !has_enough_digits(bytes, start) {
            at = start + 1;
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            continue;
        }
        let number = Number::read(bytes, start);
        at = number.end.max(start + 1);
        if let Some(datum) = recognise(text, &number) {
            at = at.max(datum.span.end);
            found(datum);
        }
    }
}

fn recognise(text: &str, number: &Number) -> Option<Datum> {
    let bytes = text.as_bytes();
    accounts::iban(bytes, number.start)
        .or_else(|| contacts::ip_address(bytes, number))
        .or_else(|| national::by_letters(bytes, number))
        .or_else(|| national::by_name(text, number))
        .or_else(|| national::by_shape(text, number))
        .or_else(|| accounts::card(bytes, number))
        .or_else(|| national::by_grouping(text, number))
        .or_else(|| contacts::phone(bytes, number))
}

const ONES: u128 = u128::MAX / 255;
const HIGH: u128 = ONES * 0x80;

/// The high bit of every lane that holds a digit.
#[inline]
const fn digits(lanes: u128) -> u128 {
    let low = lanes & !HIGH;
    let from_0 = low + ONES * (0x80 - b'0' as u128);
    let beyond_9 = low + ONES * (0x80 - b'9' as u128 - 1);
    from_0 & !beyond_9 & !lanes & HIGH
}

fn next_digit(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(Ok(lanes)) = bytes.get(at..at + 16).map(TryInto::try_into) {
        let digits = digits(u128::from_le_bytes(lanes));
        if digits != 0 {
            return Some(at + digits.trailing_zeros() as usize / 8);
        }
        at += 16;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(u8::is_ascii_digit).map(|i| at + i)
}

/// Whether so many digits stand near each other that they can be any datum: most numbers are
/// years, versions, and counts.
fn has_enough_digits(bytes: &[u8], start: usize) -> bool {
    let Some(Ok(lanes)) = bytes.get(start..start + 16).map(TryInto::try_into) else {
        return true;
    };
    let count = digits(u128::from_le_bytes(lanes)).count_ones();
    // The shortest one is `8.8.8.8`.
    count > 4
        || (count == 4
            && bytes
                .get(start + 1..start + 4)
                .is_some_and(|b| b.contains(&b'.')))
}

/// Digits with single separators between groups of them.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) start: usize,
    pub(crate) end: usize,
    digits: [u8; Number::DIGITS_MAX],
    count: usize,
    /// Lengths of the groups; zero-terminated.
    groups: [u8; 8],
    group_count: usize,
    /// The separator between groups, if it is always the same one.
    pub(crate) separator: Option<u8>,
}

impl Number {
    const DIGITS_MAX: usize = 24;

    /// Digits before the first separator.
    pub(crate) fn first_group(&self) -> usize {
        self.groups.first().copied().map_or(0, usize::from)
    }

    fn read(bytes: &[u8], start: usize) -> Self {
        let mut number = Self {
            start,
            end: start,
            digits: [0; Self::DIGITS_MAX],
            count: 0,
            groups: [0; 8],
            group_count: 0,
            separator: None,
        };
        let mut at = start;
        loop {
            let group_start = at;
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                if let Some(slot) = number.digits.get_mut(number.count) {
                    *slot = bytes.get(at).map_or(0, |b| b - b'0');
                }
                number.count += 1;
                at += 1;
            }
            number.end = at;
            if let Some(slot) = number.groups.get_mut(number.group_count) {
                *slot = u8::try_from(at - group_start).unwrap_or(u8::MAX);
            }
            number.group_count += 1;
            let separator = bytes
                .get(at)
                .copied()
                .filter(|b| matches!(b, b' ' | b'-' | b'.'));
            let goes_on = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
            let same = number.separator.is_none_or(|s| Some(s) == separator)
                || number.separator == Some(b'.') && separator == Some(b'-');
            if separator.is_none() || !goes_on || !same || number.count >= Self::DIGITS_MAX {
                return number;
            }
            number.separator = separator;
            at += 1;
        }
    }

    /// The digits, if there are no more of them than any number has.
    pub(crate) fn digits(&self) -> Option<&[u8]> {
        self.digits.get(..self.count)
    }

    /// Whether the digits stand in these groups.
    pub(crate) fn is_grouped(&self, groups: &[u8]) -> bool {
        self.groups.get(..self.group_count) == Some(groups)
    }

    pub(crate) const fn is_grouped_at_all(&self) -> bool {
        self.group_count > 1
    }

    /// Whether it stands by itself: not within a word, a decimal fraction, or an identifier.
    pub(crate) fn stands_alone(&self, bytes: &[u8]) -> bool {
        let before = self
            .start
            .checked_sub(1)
            .and_then(|i| bytes.get(i))
            .copied();
        let after = bytes.get(self.end).copied();
        let joins = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'#' | b'/' | b'=' | b'%' | b'&')
        };
        let fraction = before == Some(b'.')
            || matches!(after, Some(b'.' | b'-'))
                && bytes
                    .get(self.end + 1)
                    .is_some_and(u8::is_ascii_alphanumeric);
        !before.is_some_and(|b| joins(b) || matches!(b, b'-' | b'$'))
            && !after.is_some_and(joins)
            && !fraction
    }

    pub(crate) fn datum(&self, rule: &'static str, score: u8) -> Datum {
        Datum {
            rule,
            score,
            span: Span::new(self.start, self.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::scan;

    fn rules(text: &str) -> Vec<&'static str> {
        let mut found = Vec::new();
        scan(text, &mut |datum| found.push(datum.rule));
        found
    }

    #[test]
    fn valid_values_are_found() {
        for (text, rule) in [
            ("card 4111 1111 1111 1111 exp", "personal_data.card"),
            ("5555555555554444", "personal_data.card"),
            ("378282246310005", "personal_data.card"),
            ("IBAN DE89 3704 0044 0532 0130 00.", "personal_data.iban"),
            ("GB82WEST12345698765432", "personal_data.iban"),
            ("my ssn is 219-09-9999", "personal_data.us_ssn"),
            ("CPF: 529.982.247-25", "personal_data.br_cpf"),
            ("PESEL 44051401359", "personal_data.pl_pesel"),
            ("DNI 12345678Z", "personal_data.es_dni"),
            ("Steuer-ID 86095742719", "personal_data.de_tax_id"),
            ("NINO AB123456C", "personal_data.uk_nino"),
            ("AHV 756.9217.0769.85", "personal_data.ch_ahv"),
            ("身份证 11010519491231002X", "personal_data.cn_resident_id"),
            ("Aadhaar 2341 2341 2346", "personal_data.in_aadhaar"),
            (
                "write to jane.doe+x@mail.example.org now",
                "personal_data.email",
            ),
            ("call +1 (415) 555-2671", "personal_data.phone"),
            ("call +49 30 901820", "personal_data.phone"),
            ("from 203.0.113.77", "personal_data.ip_address"),
            ("CF RSSMRA85T10A562S", "personal_data.it_codice_fiscale"),
            ("NIE X1234567L", "personal_data.es_nie"),
            ("PPS 1234567T", "personal_data.ie_pps"),
            ("hetu 131052-308T", "personal_data.fi_hetu"),
            ("NRIC S1234567D", "personal_data.sg_nric"),
            ("RUT 12.345.678-5", "personal_data.cl_rut"),
            ("id A123456789", "personal_data.tw_national_id"),
            ("TC kimlik no 10000000146", "personal_data.tr_national_id"),
            ("SIN 046 454 286", "personal_data.ca_sin"),
            ("TFN 123 456 782", "personal_data.au_tfn"),
            ("CNP 1800101221144", "personal_data.ro_cnp"),
            ("OIB 94577403194", "personal_data.hr_oib"),
            ("my passport number is C01234567", "personal_data.passport"),
        ] {
            assert_eq!(rules(text), [rule], "{text}");
        }
    }

    #[test]
    fn near_misses_and_plain_numbers_are_not() {
        for text in [
            "4111 1111 1111 1112",
            "DE89 3704 0044 0532 0130 01",
            "000-12-3456 and 666-12-3456 and 900-12-3456",
            "529.982.247-26",
            "order 20231108123456, invoice 2023-11-08",
            "1.2.3.4.5 and 256.1.1.1 and v1.2.3",
            "@home a@b user@localhost",
            "3.14159265358979323846",
            "127.0.0.1 and 0.0.0.0 and 10.0.0.1",
        ] {
            assert_eq!(rules(text), Vec::<&str>::new(), "{text}");
        }
    }
}
