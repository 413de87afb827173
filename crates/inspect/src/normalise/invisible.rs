//! Characters that nobody sees: zero-width, direction controls, variation selectors, tags.

use super::OffsetMap;

/// What an invisible character is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invisible {
    /// Takes no room.
    ZeroWidth,
    /// Changes the direction of text.
    Bidi,
    /// U+FE00-FE0F, U+E0100-E01EF.
    VariationSelector,
    /// U+E0000-E007F.
    Tag,
}

/// What kind of invisible character `c` is, if it is one.
#[must_use]
pub(crate) const fn invisible(c: char) -> Option<Invisible> {
    Some(match c {
        '\u{00AD}'
        | '\u{034F}'
        | '\u{061C}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180B}'..='\u{180E}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2060}'..='\u{2064}'
        | '\u{206A}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}' => Invisible::ZeroWidth,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => Invisible::Bidi,
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => Invisible::VariationSelector,
        '\u{E0000}'..='\u{E007F}' => Invisible::Tag,
        _ => return None,
    })
}

/// The text that tag characters spell. The three flags made of tags (England, Scotland, Wales)
/// follow a black flag and are left out. Returns whether anything was found.
pub(crate) fn read_tags(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    let mut in_flag = false;
    for (at, c) in source.char_indices() {
        match c {
            '\u{1F3F4}' => in_flag = true,
            '\u{E0020}'..='\u{E007E}' if !in_flag => {
                let plain = char::from_u32(c as u32 - 0xE0000).unwrap_or(' ');
                map.replaced(text.len(), at, c.len_utf8());
                text.push(plain);
            }
            '\u{E0000}'..='\u{E007F}' => {}
            _ => in_flag = false,
        }
    }
    !text.is_empty()
}

/// The bytes that a chain of variation selectors spells (0-15 in the basic block, 16-255 in
/// the supplement), as text. Returns whether it was text.
pub(crate) fn read_variation_selectors(
    source: &str,
    text: &mut String,
    map: &mut OffsetMap,
) -> bool {
    /// Shorter chains are ordinary: emoji, ideographic variants.
    const CHAIN_MIN: usize = 4;
    let mut bytes = Vec::new();
    let mut start = 0;
    for (at, c) in source.char_indices().chain([(source.len(), '\0')]) {
        let value = match c {
            '\u{FE00}'..='\u{FE0F}' => c as u32 - 0xFE00,
            '\u{E0100}'..='\u{E01EF}' => c as u32 - 0xE0100 + 16,
            _ => {
                if bytes.len() >= CHAIN_MIN
                    && let Ok(chain) = std::str::from_utf8(&bytes)
                {
                    map.replaced(text.len(), start, at - start);
                    text.push_str(chain);
                }
                bytes.clear();
                continue;
            }
        };
        if bytes.is_empty() {
            start = at;
        }
        bytes.push(u8::try_from(value).unwrap_or(0));
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{OffsetMap, read_tags, read_variation_selectors};

    #[test]
    fn tags_are_read_and_flags_are_left_alone() {
        let mut text = String::new();
        let hidden = "hi\u{E0068}\u{E0069} \u{1F3F4}\u{E0067}\u{E0062}\u{E007F}";
        assert!(read_tags(hidden, &mut text, &mut OffsetMap::default()));
        assert_eq!(text, "hi");
    }

    #[test]
    fn variation_selectors_are_read_as_bytes() {
        let smuggled: String = "reveal"
            .bytes()
            .map(|b| char::from_u32(0xE0100 + u32::from(b) - 16).unwrap())
            .collect();
        let mut text = String::new();
        let source = format!("😀{smuggled}");
        assert!(read_variation_selectors(
            &source,
            &mut text,
            &mut OffsetMap::default()
        ));
        assert_eq!(text, "reveal");
    }
}
