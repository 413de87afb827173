//! Modifiers that write a value differently: UTF-16, Base64, the five dashes of Windows.

use super::modifiers::Encoding;
use crate::ir::{Part, Pattern};

/// What people write for a dash on a Windows command line.
pub(crate) const DASHES: [char; 5] = ['-', '/', '–', '—', '―'];

/// Most variants that a value with several dashes becomes; beyond, fewer dashes vary.
const VARIANTS_MAX: usize = 125;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A value after its encodings: each of several where any will do. `None`: wildcards cannot be
/// encoded so.
pub(super) fn encode(pattern: &Pattern, encodings: &[Encoding]) -> Option<Vec<Pattern>> {
    if encodings.is_empty() {
        return Some(vec![pattern.clone()]);
    }
    let is_base64 = |e: &Encoding| matches!(e, Encoding::Base64 | Encoding::Base64Offset);
    if !encodings.iter().any(is_base64) {
        let mut out = Pattern::default();
        for part in &pattern.parts {
            out.push(match part {
                Part::Literal(text) => Part::Literal(as_text(&utf16(text, encodings))),
                other => other.clone(),
            });
        }
        return Some(vec![out]);
    }
    let mut values = vec![pattern.as_literal()?.as_bytes().to_vec()];
    for encoding in encodings {
        let each = values.iter().flat_map(|bytes| match encoding {
            Encoding::Base64 => vec![base64(bytes).into_bytes()],
            Encoding::Base64Offset => offsets(bytes),
            other => {
                let text = String::from_utf8_lossy(bytes);
                vec![utf16(&text, std::slice::from_ref(other))]
            }
        });
        values = each.collect();
    }
    let patterns = values.iter().map(|bytes| Pattern::literal(as_text(bytes)));
    Some(patterns.collect())
}

/// What is no UTF-8 is shown byte by byte, as a log that took it for Latin-1 would.
fn as_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn utf16(text: &str, encodings: &[Encoding]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2 + 2);
    let big = encodings.contains(&Encoding::Utf16Be);
    if encodings.contains(&Encoding::Utf16) {
        out.extend([0xff, 0xfe]);
    }
    for unit in text.encode_utf16() {
        out.extend(if big {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        });
    }
    out
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= chunk.len() {
                let index = (bits >> (18 - 6 * digit)) & 63;
                out.push(char::from(ALPHABET[index as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// The characters that bytes have in Base64 at each of the three offsets, without those that
/// depend on what stands before or after.
fn offsets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let one = |offset: usize| {
        let mut padded = vec![b' '; offset];
        padded.extend_from_slice(bytes);
        let text = base64(&padded);
        let start = [0, 2, 3][offset];
        // Whole characters within the known bits.
        let end = (padded.len() * 8) / 6;
        text.get(start..end).unwrap_or_default().as_bytes().to_vec()
    };
    (0..3).map(one).collect()
}

/// A value with every choice of dashes, the ones as written by the order of [`DASHES`]. Dashes
/// within words stay where all together would be too many, then those at the end.
pub(super) fn windash(pattern: &Pattern) -> Vec<Pattern> {
    let mut chars: Vec<Option<char>> = Vec::new();
    for part in &pattern.parts {
        match part {
            Part::Literal(text) => chars.extend(text.chars().map(Some)),
            _ => chars.push(None),
        }
    }
    let is_dash = |at: usize| matches!(chars.get(at), Some(Some('-' | '/')));
    let is_word = |at: Option<usize>| {
        let c = at.and_then(|at| chars.get(at).copied().flatten());
        c.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    let dashes: Vec<usize> = (0..chars.len()).filter(|at| is_dash(*at)).collect();
    let starts = |at: &usize| !is_word(at.checked_sub(1)) && is_word(Some(at + 1));
    let mut varying: Vec<usize> = dashes.iter().copied().filter(starts).collect();
    if varying.is_empty() {
        varying = dashes;
    }
    while DASHES
        .len()
        .pow(u32::try_from(varying.len()).unwrap_or(u32::MAX).min(20))
        > VARIANTS_MAX
    {
        varying.pop();
    }
    let total = DASHES.len().pow(u32::try_from(varying.len()).unwrap_or(0));
    (0..total)
        .map(|choice| chosen(pattern, &varying, choice))
        .collect()
}

/// The variant of one choice; the last dash changes fastest.
fn chosen(pattern: &Pattern, varying: &[usize], choice: usize) -> Pattern {
    let mut out = Pattern {
        cased: pattern.cased,
        ..Pattern::default()
    };
    let mut at = 0;
    for part in &pattern.parts {
        let Part::Literal(text) = part else {
            at += 1;
            out.push(part.clone());
            continue;
        };
        let mut changed = String::with_capacity(text.len());
        for c in text.chars() {
            let dash = varying.iter().position(|position| *position == at);
            changed.push(dash.map_or(c, |index| {
                let weight = DASHES
                    .len()
                    .pow(u32::try_from(varying.len() - 1 - index).unwrap_or(0));
                DASHES[choice / weight % DASHES.len()]
            }));
            at += 1;
        }
        out.push(Part::Literal(changed));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Encoding, encode, windash};
    use crate::ir::Pattern;

    fn written(pattern: &str, encodings: &[Encoding]) -> Vec<String> {
        let patterns = encode(&Pattern::of_sigma(pattern), encodings).unwrap();
        patterns.iter().map(Pattern::to_sigma).collect()
    }

    #[test]
    fn encodings_are_what_the_specification_shows() {
        assert_eq!(written("whoami", &[Encoding::Base64]), ["d2hvYW1p"]);
        assert_eq!(
            written("foobar", &[Encoding::Base64Offset]),
            ["Zm9vYmFy", "Zvb2Jhc", "mb29iYX"]
        );
        assert_eq!(
            written("ping", &[Encoding::Utf16Le, Encoding::Base64]),
            ["cABpAG4AZwA="]
        );
        assert_eq!(
            written("ping", &[Encoding::Utf16, Encoding::Base64]),
            ["//5wAGkAbgBnAA=="]
        );
        assert_eq!(encode(&Pattern::of_sigma("a*"), &[Encoding::Base64]), None);
    }

    #[test]
    fn each_dash_at_the_start_of_a_word_varies() {
        let variants = |text: &str| windash(&Pattern::of_sigma(text)).len();
        assert_eq!(variants(" -x "), 5);
        assert_eq!(variants("-a -b"), 25);
        assert_eq!(variants("-a-b"), 5);
        assert_eq!(variants("-a -b -c -d -e"), 125);
        assert_eq!(variants("ab"), 1);
        assert_eq!(windash(&Pattern::of_sigma("/x"))[0].to_sigma(), "-x");
    }
}
