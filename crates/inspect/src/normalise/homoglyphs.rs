//! Letters that look like Latin ones: Cyrillic, Greek, Armenian, Cherokee and phonetic letters,
//! small capitals, upside-down letters, regional indicators.
//!
//! The table holds what a person takes for a Latin letter in running text, not the whole of the
//! Unicode confusables list: rarer ones cost table size and buy no attack that was seen.

/// The Latin letter that a letter of another *script* is taken for. Only to be applied where
/// the surrounding word or text is Latin: Russian must stay Russian.
#[must_use]
pub(crate) const fn look_alike(c: char) -> Option<char> {
    Some(match c {
        'а' | 'А' | 'Α' | 'α' | 'Ꭺ' => 'a',
        'Β' | 'β' | 'В' | 'Ь' | 'ь' | 'Ᏼ' => 'b',
        'с' | 'С' | 'ϲ' | 'Ϲ' | 'Ꮯ' => 'c',
        'ԁ' | 'Ꭰ' => 'd',
        'е' | 'Е' | 'ё' | 'Ё' | 'Ε' | 'ε' | 'є' | 'Є' | 'Ꭼ' | 'ҽ' => 'e',
        'ƒ' => 'f',
        'ɡ' | 'ց' | 'Ԍ' | 'ԍ' => 'g',
        'һ' | 'Һ' | 'Η' | 'Н' | 'н' | 'հ' | 'Ꮋ' => 'h',
        'і' | 'І' | 'ї' | 'Ї' | 'Ι' | 'ι' | 'ӏ' | 'Ꭵ' | 'Ꮖ' => 'i',
        'ј' | 'Ј' | 'ϳ' => 'j',
        'κ' | 'Κ' | 'к' | 'К' | 'Ꮶ' => 'k',
        'Ӏ' | 'Ꮮ' | 'ⅼ' => 'l',
        'М' | 'м' | 'Μ' | 'Ꮇ' => 'm',
        'Ν' | 'η' | 'ո' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'σ' | 'օ' | 'Օ' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' | 'Ꮲ' => 'p',
        'ԛ' | 'Ԛ' => 'q',
        'ᴦ' | 'Ꭱ' => 'r',
        'ѕ' | 'Ѕ' | 'Ꮪ' => 's',
        'т' | 'Т' | 'τ' | 'Τ' | 'Ꭲ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' | 'Ѵ' | 'Ꮩ' => 'v',
        'ԝ' | 'Ԝ' | 'ω' | 'Ꮃ' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'у' | 'У' | 'γ' | 'Υ' | 'ү' | 'Ү' => 'y',
        'Ζ' | 'ζ' | 'Ꮓ' => 'z',
        _ => return None,
    })
}

/// The plain letter of a letter-like sign that has no compatibility decomposition: small
/// capitals, upside-down letters, regional indicators, negative squared letters.
#[must_use]
pub(crate) const fn styled(c: char) -> Option<char> {
    Some(match c {
        'ᴀ' | 'ɐ' | 'ɑ' => 'a',
        'ʙ' => 'b',
        'ᴄ' | 'ɔ' => 'c',
        'ᴅ' => 'd',
        'ᴇ' | 'ǝ' | 'ə' => 'e',
        'ꜰ' | 'ɟ' => 'f',
        'ɢ' | 'ƃ' | 'ɓ' => 'g',
        'ʜ' | 'ɥ' => 'h',
        'ɪ' | 'ı' | 'ᴉ' | 'ɨ' => 'i',
        'ᴊ' | 'ɾ' => 'j',
        'ᴋ' | 'ʞ' => 'k',
        'ʟ' | 'ł' | 'Ł' | 'ן' | 'ʅ' => 'l',
        'ᴍ' | 'ɯ' => 'm',
        'ɴ' => 'n',
        'ᴏ' | 'ø' | 'Ø' => 'o',
        'ᴘ' | 'þ' => 'p',
        'ʀ' | 'ɹ' => 'r',
        'ꜱ' => 's',
        'ᴛ' | 'ʇ' => 't',
        'ᴜ' => 'u',
        'ᴠ' | 'ʌ' => 'v',
        'ᴡ' | 'ʍ' => 'w',
        'ʏ' | 'ʎ' => 'y',
        'ᴢ' => 'z',
        '\u{1F1E6}'..='\u{1F1FF}' => offset(c, 0x1F1E6),
        '\u{1F150}'..='\u{1F169}' => offset(c, 0x1F150),
        '\u{1F170}'..='\u{1F189}' => offset(c, 0x1F170),
        _ => return None,
    })
}

/// Letters of ordinary Latin alphabets that `styled` also covers: they are no trick.
#[must_use]
pub(crate) const fn is_ordinary_letter(c: char) -> bool {
    matches!(c, 'ı' | 'ł' | 'Ł' | 'ø' | 'Ø' | 'þ' | 'ə')
}

const fn offset(c: char, base: u32) -> char {
    let index = (c as u32).saturating_sub(base);
    (b'a' + (index % 26) as u8) as char
}
