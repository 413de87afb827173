//! Morse code (ITU-R M.1677-1): dots and dashes, blanks between letters, `/` or wide blanks
//! between words.

use super::OffsetMap;
use super::blobs::{as_text, push};

/// Fewest letters of one run.
const LETTERS_MIN: usize = 8;

/// Decodes every run that yields text.
pub(crate) fn morse(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    let mut plain = String::new();
    let (mut letters, mut start, mut end) = (0, 0, 0);
    for (at, code) in words(source) {
        let known = if matches!(code, "/" | "|") {
            Some(' ')
        } else {
            letter(code)
        };
        let Some(c) = known else {
            finish(letters, &plain, (start, end), text, map);
            plain.clear();
            letters = 0;
            continue;
        };
        if plain.is_empty() {
            start = at;
        } else if source
            .get(end..at)
            .is_some_and(|gap| gap.len() > 2 || gap.contains('\n'))
        {
            plain.push(' ');
        }
        plain.push(c);
        letters += 1;
        end = at + code.len();
    }
    finish(letters, &plain, (start, end), text, map);
    !text.is_empty()
}

fn finish(
    letters: usize,
    plain: &str,
    span: (usize, usize),
    text: &mut String,
    map: &mut OffsetMap,
) {
    // Rows of dots and dashes are rulers and tables.
    let distinct = plain
        .bytes()
        .any(|b| !matches!(b, b'e' | b't' | b' ' | b'i' | b's' | b'h' | b'm' | b'o'));
    if letters >= LETTERS_MIN && distinct && as_text(plain.as_bytes()).is_some() {
        push(text, map, plain, span.0, span.1);
    }
}

fn words(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = source.as_ptr() as usize;
    source
        .split_ascii_whitespace()
        .map(move |word| (word.as_ptr() as usize - base, word))
}

fn letter(code: &str) -> Option<char> {
    Some(match code {
        ".-" => 'a',
        "-..." => 'b',
        "-.-." => 'c',
        "-.." => 'd',
        "." => 'e',
        "..-." => 'f',
        "--." => 'g',
        "...." => 'h',
        ".." => 'i',
        ".---" => 'j',
        "-.-" => 'k',
        ".-.." => 'l',
        "--" => 'm',
        "-." => 'n',
        "---" => 'o',
        ".--." => 'p',
        "--.-" => 'q',
        ".-." => 'r',
        "..." => 's',
        "-" => 't',
        "..-" => 'u',
        "...-" => 'v',
        ".--" => 'w',
        "-..-" => 'x',
        "-.--" => 'y',
        "--.." => 'z',
        "-----" => '0',
        ".----" => '1',
        "..---" => '2',
        "...--" => '3',
        "....-" => '4',
        "....." => '5',
        "-...." => '6',
        "--..." => '7',
        "---.." => '8',
        "----." => '9',
        ".-.-.-" => '.',
        "--..--" => ',',
        "..--.." => '?',
        "-.-.--" => '!',
        "---..." => ':',
        "-....-" => '-',
        ".----." => '\'',
        "-..-." => '/',
        _ => return None,
    })
}
