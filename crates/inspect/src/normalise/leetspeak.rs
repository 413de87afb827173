//! Digits and symbols in place of letters: `1gn0r3 4ll ru135`. Works on folded text.

use super::OffsetMap;
use super::patchwork::Patchwork;

/// Longer words are identifiers, hashes, encoded bytes.
const WORD_BYTES_MAX: usize = 20;
/// Fewer words written so are ordinary: `utf8`, `b2b`, `3d`.
const WORDS_MIN: usize = 3;
/// `1` is mostly an i; in these words it is an l.
const L_WORDS: &[&str] = &[
    "all",
    "rules",
    "rule",
    "reveal",
    "tell",
    "guidelines",
    "guideline",
    "jailbreak",
    "policy",
    "policies",
    "limits",
    "limit",
    "unlimited",
    "will",
    "follow",
    "following",
    "allowed",
    "allow",
    "please",
    "limitations",
    "limitation",
    "only",
    "list",
    "lines",
    "full",
    "illegal",
    "unlock",
    "unlocked",
    "role",
    "roleplay",
    "model",
    "tool",
    "tools",
    "output",
    "like",
    "could",
    "would",
    "should",
    "help",
    "delete",
    "email",
    "mail",
    "file",
    "files",
    "link",
    "url",
    "also",
    "leak",
    "malware",
    "manual",
    "moral",
    "disclose",
    "developer",
    "evil",
    "explain",
    "replace",
    "public",
    "else",
    "fully",
    "real",
    "safely",
    "literally",
    "verbatim",
    "personal",
    "control",
    "controls",
];

/// Replaces digits and symbols inside of words by the letters they stand for.
pub(crate) fn leetspeak(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    let bytes = source.as_bytes();
    let mut patches = Patchwork::new(source, text, map);
    let mut words = 0;
    let mut at = 0;
    let mut plain = String::with_capacity(WORD_BYTES_MAX);
    while at < bytes.len() {
        if !is_part(bytes, at) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && is_part(bytes, at) {
            at += 1;
        }
        // `rules!` ends in a mark, not in a letter.
        let mut end = at;
        while end > start + 1
            && matches!(bytes.get(end - 1), Some(b'!' | b'$' | b'@' | b'+' | b'|'))
        {
            end -= 1;
        }
        let word = source.get(start..end).unwrap_or("");
        if is_leet(word.as_bytes()) {
            read(word, &mut plain);
            patches.replace(start, end, &plain);
            words += usize::from(word.len() > 2);
        }
    }
    patches.finish();
    words >= WORDS_MIN
}

/// Whether a word looks as if digits stood for letters: mixed, short, digits before letters.
#[must_use]
pub(crate) fn is_leet(word: &[u8]) -> bool {
    if word.len() > WORD_BYTES_MAX {
        return false;
    }
    let (mut letters, mut signs, mut sign_first) = (0, 0, false);
    for pair in word.windows(2) {
        let [a, b] = pair else { continue };
        sign_first |= letter_of(*a).is_some() && b.is_ascii_alphabetic();
    }
    for b in word {
        letters += usize::from(b.is_ascii_alphabetic());
        signs += usize::from(letter_of(*b).is_some());
    }
    // `7h3`, `t0`, `1n` and `4` read as words; `0x1f`, `2023`, `sha256` do not.
    let known_short = matches!(word, b"t0" | b"n0" | b"s0" | b"d0" | b"g0" | b"4" | b"1");
    known_short
        || (sign_first
            && letters + signs == word.len()
            && signs <= letters + 1
            && !is_hex_number(word))
}

fn is_hex_number(word: &[u8]) -> bool {
    word.starts_with(b"0x") || (word.len() >= 6 && word.iter().all(u8::is_ascii_hexdigit))
}

fn read(word: &str, plain: &mut String) {
    plain.clear();
    if word.bytes().any(|b| matches!(b, b'1' | b'!' | b'|')) {
        for b in word.bytes() {
            plain.push(match b {
                b'1' | b'!' | b'|' => 'l',
                other => char::from(letter_of(other).unwrap_or(other)),
            });
        }
        if L_WORDS.contains(&plain.as_str()) {
            return;
        }
        plain.clear();
    }
    for b in word.bytes() {
        plain.push(char::from(letter_of(b).unwrap_or(b)));
    }
}

fn is_part(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at)
        .is_some_and(|b| b.is_ascii_alphanumeric() || letter_of(*b).is_some())
}

const fn letter_of(sign: u8) -> Option<u8> {
    Some(match sign {
        b'0' => b'o',
        b'1' | b'!' | b'|' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'6' | b'9' => b'g',
        b'7' | b'+' => b't',
        b'8' => b'b',
        b'2' => b'z',
        _ => return None,
    })
}
