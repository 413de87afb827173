//! Disguises: every trick that the normalisation undoes, applied to texts.
//!
//! Used for training (an attack in disguise is an attack, an innocent text in disguise is not) and
//! by `atalaya-train disguise` for measuring.

use crate::random::Random;

/// Puts a text into a disguise.
pub(crate) type Disguise = fn(&str, &mut Random) -> String;

/// Every disguise by name.
pub(crate) const ALL: &[(&str, Disguise)] = &[
    ("base64", |text, _| base64(text.as_bytes())),
    ("base32", |text, _| base32(text.as_bytes())),
    ("hex", |text, _| {
        text.bytes().map(|b| format!("{b:02x}")).collect()
    }),
    ("hex_spaced", |text, _| {
        joined(text.bytes().map(|b| format!("{b:02x}")), " ")
    }),
    ("decimal", |text, _| {
        joined(text.bytes().map(|b| b.to_string()), " ")
    }),
    ("ascii85", |text, _| ascii85(text.as_bytes())),
    ("percent", |text, _| {
        text.bytes().map(|b| format!("%{b:02X}")).collect()
    }),
    ("quoted_printable", |text, _| {
        text.bytes().map(|b| format!("={b:02X}")).collect()
    }),
    ("html_entities", |text, _| {
        text.chars()
            .map(|c| format!("&#{};", u32::from(c)))
            .collect()
    }),
    ("escapes", |text, _| {
        text.encode_utf16().map(|u| format!("\\u{u:04x}")).collect()
    }),
    ("rot13", |text, _| text.chars().map(rot13).collect()),
    ("reversed", |text, _| text.chars().rev().collect()),
    ("reversed_words", |text, _| {
        joined(text.split(' ').rev().map(str::to_owned), " ")
    }),
    ("morse", |text, _| morse(text)),
    ("leetspeak", |text, random| {
        text.chars().map(|c| leet(c, random)).collect()
    }),
    ("spaced", |text, _| {
        joined(
            text.split(' ')
                .map(|word| joined(word.chars().map(String::from), " ")),
            "  ",
        )
    }),
    ("dotted", |text, _| {
        joined(
            text.split(' ')
                .map(|word| joined(word.chars().map(String::from), ".")),
            " ",
        )
    }),
    ("joined", |text, _| text.replace(' ', "")),
    ("zero_width", |text, random| {
        between(text, '\u{200b}', random)
    }),
    ("soft_hyphen", |text, random| {
        between(text, '\u{ad}', random)
    }),
    ("bidi", |text, _| {
        format!("\u{202e}{}\u{202c}", text.chars().rev().collect::<String>())
    }),
    ("tags", |text, _| {
        text.chars()
            .map(|c| shifted(c, 0xE0000, ' '..='~'))
            .collect()
    }),
    ("variation_selectors", |text, _| variation_selectors(text)),
    ("homoglyphs", |text, _| {
        text.chars().map(homoglyph).collect()
    }),
    ("full_width", |text, _| {
        text.chars()
            .map(|c| shifted(c, 0xFEE0, '!'..='~'))
            .collect()
    }),
    ("styled", |text, _| {
        text.chars()
            .map(|c| shifted(c, 0x1D41A - 0x61, 'a'..='z'))
            .collect()
    }),
    ("markdown", |text, random| between_markup(text, random)),
    ("html_comment", |text, _| format!("<!-- {text} -->")),
    ("accents", |text, random| between(text, '\u{301}', random)),
];

fn joined(parts: impl Iterator<Item = String>, with: &str) -> String {
    parts.collect::<Vec<_>>().join(with)
}

fn between(text: &str, sign: char, random: &mut Random) -> String {
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if c.is_alphanumeric() && random.chance(60) {
            out.push(sign);
        }
    }
    out
}

fn between_markup(text: &str, random: &mut Random) -> String {
    let word = |word: &str, random: &mut Random| -> String {
        let chars: Vec<char> = word.chars().collect();
        if chars.len() < 4 {
            return word.to_owned();
        }
        let at = 1 + random.below(chars.len() - 2);
        let (head, tail) = chars.split_at(at);
        let (head, tail): (String, String) = (head.iter().collect(), tail.iter().collect());
        format!("{head}**{tail}**")
    };
    text.split(' ')
        .map(|w| word(w, random))
        .collect::<Vec<_>>()
        .join(" ")
}

fn shifted(c: char, by: u32, range: std::ops::RangeInclusive<char>) -> char {
    if range.contains(&c) {
        char::from_u32(u32::from(c) + by).unwrap_or(c)
    } else {
        c
    }
}

fn variation_selectors(text: &str) -> String {
    let hidden = text.bytes().map(|b| {
        let base = if b < 16 { 0xFE00 } else { 0xE0100 - 16 };
        char::from_u32(base + u32::from(b)).unwrap_or(' ')
    });
    std::iter::once('😊').chain(hidden).collect()
}

fn rot13(c: char) -> char {
    let turn = |c: char, first: u8| char::from((c as u8 - first + 13) % 26 + first);
    match c {
        'a'..='z' => turn(c, b'a'),
        'A'..='Z' => turn(c, b'A'),
        _ => c,
    }
}

fn leet(c: char, random: &mut Random) -> char {
    if !random.chance(85) {
        return c;
    }
    match c.to_ascii_lowercase() {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        't' => '7',
        _ => c,
    }
}

fn homoglyph(c: char) -> char {
    match c {
        'a' => 'а',
        'e' => 'е',
        'o' => 'о',
        'p' => 'р',
        'c' => 'с',
        'i' => 'і',
        'x' => 'х',
        'y' => 'у',
        's' => 'ѕ',
        _ => c,
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    grouped(bytes, 3, 6, 4, DIGITS)
}

fn base32(bytes: &[u8]) -> String {
    grouped(bytes, 5, 5, 8, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
}

fn grouped(bytes: &[u8], group: usize, bits: u32, digits: usize, alphabet: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(group) {
        let mut value = 0_u64;
        for at in 0..group {
            value = value << 8 | u64::from(chunk.get(at).copied().unwrap_or(0));
        }
        let used = (chunk.len() * 8).div_ceil(bits as usize);
        for at in 0..digits {
            let shift = bits * u32::try_from(digits - 1 - at).unwrap_or(0);
            let digit = (value >> shift) as usize & (alphabet.len() - 1);
            let sign = alphabet.get(digit).copied().unwrap_or(b'=');
            out.push(if at < used { char::from(sign) } else { '=' });
        }
    }
    out
}

fn ascii85(bytes: &[u8]) -> String {
    let mut out = String::from("<~");
    for chunk in bytes.chunks(4) {
        let mut four = [0; 4];
        four[..chunk.len()].copy_from_slice(chunk);
        let mut value = u32::from_be_bytes(four);
        let mut five = [0_u8; 5];
        for digit in five.iter_mut().rev() {
            *digit = (value % 85) as u8 + 33;
            value /= 85;
        }
        out.extend(five.iter().take(chunk.len() + 1).map(|b| char::from(*b)));
    }
    out + "~>"
}

fn morse(text: &str) -> String {
    const LETTERS: [&str; 26] = [
        ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--",
        "-.", "---", ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--",
        "--..",
    ];
    const DIGITS: [&str; 10] = [
        "-----", ".----", "..---", "...--", "....-", ".....", "-....", "--...", "---..", "----.",
    ];
    let words = text.to_lowercase();
    let words = words.split_whitespace().map(|word| {
        joined(
            word.bytes().filter_map(|b| match b {
                b'a'..=b'z' => LETTERS.get(usize::from(b - b'a')).map(|m| (*m).to_owned()),
                b'0'..=b'9' => DIGITS.get(usize::from(b - b'0')).map(|m| (*m).to_owned()),
                _ => None,
            }),
            " ",
        )
    });
    joined(words, " / ")
}

#[cfg(test)]
mod tests {
    use super::{ascii85, base32, base64, morse};

    #[test]
    fn encodings_are_the_standard_ones() {
        assert_eq!(base64(b"light wo"), "bGlnaHQgd28=");
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI======");
        assert_eq!(ascii85(b"Man "), "<~9jqo^~>");
        assert_eq!(morse("Sos a"), "... --- ... / .-");
    }
}
