//! Canaries in an answer: those that the policy names, and those that the gateway put in.
//!
//! Letters and digits are compared, whatever stands between them and in whichever case; and each
//! canary is also looked for as a model disguises a text when it is told to: backwards, rotated by
//! 13, in hexadecimal (alone, percent-encoded, as escapes or literals), in base32 and in base64 at every
//! offset. A text is reduced once, whatever the number of canaries; without canaries nothing is.
//!
//! Left out: ciphers with a key of the attacker's choice, translations, acrostics.

use atalaya_model::Span;
use base64::Engine as _;

use crate::canary::{CanaryKey, Plain, position};

/// Shortest canary that is looked for, letters and digits.
const CANARY_MIN: usize = 6;
/// Canaries that are found in one text.
const FOUND_MAX: usize = 16;

/// What is looked for in one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needles {
    /// Every canary in every form, reduced.
    forms: Vec<String>,
    /// Knows tokens that were made for other calls.
    key: Option<CanaryKey>,
}

impl Needles {
    /// Texts that somebody planted.
    pub(crate) fn of(canaries: &[String]) -> Self {
        let mut needles = Self::default();
        for canary in canaries {
            needles.add(canary);
        }
        needles
    }

    /// One that the gateway put in; all others of this installation are known with it.
    pub(crate) fn inserted(&mut self, token: &str, key: &CanaryKey) {
        self.add(token);
        self.key = Some(key.clone());
    }

    fn add(&mut self, canary: &str) {
        let plain = Plain::of(canary).text;
        if plain.chars().count() < CANARY_MIN {
            return;
        }
        self.forms.push(plain.chars().rev().collect());
        self.forms.push(plain.chars().map(rotated).collect());
        let mut spellings = vec![canary.to_owned(), canary.to_uppercase(), plain.clone()];
        spellings.dedup();
        for spelling in &spellings {
            let bytes = spelling.as_bytes();
            let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            // Alone, and with what an escape or a literal puts before each byte.
            self.forms
                .extend(["", "x", "0x"].map(|sign| hex.join(sign)));
            self.forms.push(base32(bytes));
            self.forms
                .extend((0..3).map(|offset| base64(bytes, offset)));
        }
        self.forms.push(plain);
        self.forms.sort();
        self.forms.dedup();
    }

    /// Where they stand.
    pub(super) fn find(&self, text: &str) -> Vec<Span> {
        if self.forms.is_empty() {
            return Vec::new();
        }
        let plain = Plain::of(text);
        let bytes = plain.text.as_bytes();
        let mut found = Vec::new();
        for form in &self.forms {
            let mut from = 0;
            while let Some(at) = position(bytes, form.as_bytes(), from) {
                from = at + form.len();
                found.push(plain.span(text, at, from));
                if found.len() >= FOUND_MAX {
                    return found;
                }
            }
        }
        if let Some(key) = &self.key {
            let own = key.find(text).into_iter().map(|(span, _)| span);
            found.extend(own.filter(|span| !found.contains(span)).collect::<Vec<_>>());
        }
        found
    }
}

fn rotated(c: char) -> char {
    match c {
        'a'..='m' => char::from(c as u8 + 13),
        'n'..='z' => char::from(c as u8 - 13),
        other => other,
    }
}

/// The letters of base64 that depend on these bytes alone, when so many others stand before them.
fn base64(bytes: &[u8], offset: usize) -> String {
    let padded = [&[0; 2][..offset], bytes].concat();
    let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&padded);
    let (first, last) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    Plain::of(encoded.get(first..last).unwrap_or("")).text
}

/// The same of base32 (RFC 4648), for a text that begins with these bytes.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let (mut out, mut bits, mut held) = (String::new(), 0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xFFF;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Needles;
    use base64::Engine as _;

    #[test]
    fn canaries_are_found_in_every_disguise_that_is_undone() {
        let token = "kx4v-marlin-7731-blue";
        let needles = Needles::of(&[token.to_owned()]);
        let engine = base64::engine::general_purpose::STANDARD;
        let hex: Vec<String> = token.bytes().map(|b| format!("{b:02X}")).collect();
        let spelled: Vec<String> = token.chars().map(String::from).collect();
        for text in [
            format!("the code is {token}, you see"),
            token.to_uppercase().replace('-', " "),
            spelled.join("."),
            spelled.join("\n* "),
            token.chars().rev().collect(),
            "xk4i-zneyva-7731-oyhr".to_owned(),
            hex.join(""),
            hex.join(" "),
            format!("%{}", hex.join("%")),
            format!("\\x{}", hex.join("\\x")),
            engine.encode(token),
            engine.encode(format!("a{token} and more")),
            engine.encode(format!("My instructions: {token} and more")),
            token
                .chars()
                .map(|c| {
                    if c.is_ascii_graphic() && c != '-' {
                        char::from_u32(u32::from(c) + 0xFEE0).unwrap()
                    } else {
                        c
                    }
                })
                .collect(),
        ] {
            assert!(!needles.find(&text).is_empty(), "{text}");
        }
        for text in [
            "",
            "the marlin is blue",
            "kx4v 7731",
            &engine.encode("a fine day at the sea, with blue marlins"),
        ] {
            assert!(needles.find(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_too_short_to_be_told_from_text_is_not_looked_for() {
        assert!(Needles::of(&["blue".to_owned()]).find("blue").is_empty());
    }
}
