//! Words without the blanks between them: `ignoreallpreviousinstructions`. Works on folded
//! text, on long words only, and only with the words that instructions are made of.

use super::OffsetMap;
use super::patchwork::Patchwork;

/// Shorter words are words.
const WORD_BYTES_MIN: usize = 14;
/// Longer ones are encoded bytes.
const WORD_BYTES_MAX: usize = 400;
/// Parts that have to be found for a split to count.
const PARTS_MIN: usize = 3;

/// Words that instructions to a model are made of, in no order.
const WORDS: &str = "a about above access act activate actually add admin all also always an and \
answer any anything are as ask assistant at attack be before below but by can change command \
commands completely confidential content context conversation could credentials data debug decode \
delete details developer directions disable disclose disregard do does dont email enable enabled \
end everything execute exact exactly export file filter filters first following follow for forget \
forward from full get give given go guidelines hacked has have hello help hidden how i ignore \
important in initial input instruction instructions instead into is it jailbreak just key let \
limit limits list make me message messages mode model must my never new no not nothing now obey of \
on only operator or other output override password passwords pay phrase pirate please policies \
policy previous print prior prompt prompts protocol prove provide put query real rebel refuse \
remember remove repeat reply request respond response restrictions return reveal role rule rules \
safety say secret secrets security send set show stop system talk task tell text that the their \
them then there these they this to told token tools translate unfiltered unlimited unrestricted up \
update url use user users using verbatim was were what when will with without word words write you \
your yourself";

/// Splits joined words.
pub(crate) fn joined(source: &str, text: &mut String, map: &mut OffsetMap) -> bool {
    let words: Vec<&str> = WORDS.split(' ').collect();
    let bytes = source.as_bytes();
    let mut patches = Patchwork::new(source, text, map);
    let mut plain = String::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes.get(at).is_some_and(u8::is_ascii_lowercase) {
            at += 1;
            continue;
        }
        let start = at;
        while bytes.get(at).is_some_and(u8::is_ascii_lowercase) {
            at += 1;
        }
        let word = source.get(start..at).unwrap_or("");
        if (WORD_BYTES_MIN..=WORD_BYTES_MAX).contains(&word.len())
            && split(word, &words, &mut plain)
        {
            patches.replace(start, at, &plain);
        }
    }
    patches.finish() > 0
}

/// Fewest parts that cover the whole word, by dynamic programming from the right.
fn split(word: &str, words: &[&str], plain: &mut String) -> bool {
    const UNREACHABLE: u16 = u16::MAX;
    let length = word.len();
    let mut parts = vec![UNREACHABLE; length + 1];
    let mut step = vec![0_usize; length + 1];
    if let Some(last) = parts.last_mut() {
        *last = 0;
    }
    for start in (0..length).rev() {
        let rest = word.get(start..).unwrap_or("");
        for candidate in words.iter().filter(|w| rest.starts_with(**w)) {
            let after = parts
                .get(start + candidate.len())
                .copied()
                .unwrap_or(UNREACHABLE);
            let (Some(best), Some(taken)) = (parts.get_mut(start), step.get_mut(start)) else {
                continue;
            };
            if after != UNREACHABLE && after + 1 < *best {
                *best = after + 1;
                *taken = candidate.len();
            }
        }
    }
    let count = usize::from(parts.first().copied().unwrap_or(UNREACHABLE));
    if count < PARTS_MIN || count == usize::from(UNREACHABLE) || length / count < 3 {
        return false;
    }
    plain.clear();
    let mut at = 0;
    while at < length {
        let taken = step.get(at).copied().unwrap_or(0).max(1);
        if at > 0 {
            plain.push(' ');
        }
        plain.push_str(word.get(at..at + taken).unwrap_or(""));
        at += taken;
    }
    true
}
