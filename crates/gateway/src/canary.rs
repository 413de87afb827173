//! Canaries: words that the gateway puts into a call's instructions only to know them again when
//! they leak.
//!
//! A token is made of a mark and a proof, both by HMAC-SHA-256 from a secret of the installation:
//! the mark from caller, session and period, the proof from the mark. So nobody can guess or forge
//! one, any text can be checked without a list of tokens, and they change by themselves. Without
//! the secret a token looks like any reference number; it says nothing about the caller.
//!
//! Trade-off: a token that is the same for a period keeps providers' prompt caches warm; one per
//! call would not. Left out: which caller a token belongs to, unless somebody asks about that
//! caller ([`CanaryKey::belongs`]).

use atalaya_model::Span;
use ring::hmac;

use crate::config::{CanaryPer, InsertedCanaries};

/// What tokens are written with: five bits each, no letter that looks like another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Letters by which tokens of one installation begin.
const PREFIX: usize = 4;
/// Letters that say for whom a token was made: 30 bits.
const MARK: usize = 6;
/// Letters that prove that it was made here: 60 bits.
const PROOF: usize = 12;
/// Length of a token.
const TOKEN: usize = PREFIX + MARK + PROOF;
/// Tokens that are reported of one text.
const FOUND_MAX: usize = 16;
/// Places of one text at which a token is proved: who has seen one could repeat how they begin.
const TRIED_MAX: usize = 4_096;
/// Periods that are tried when somebody asks whose a token is.
const PERIODS_MAX: i64 = 1_000;

/// Makes and knows the canaries of one installation.
#[derive(Clone)]
pub struct CanaryKey {
    key: hmac::Key,
    prefix: [u8; PREFIX],
}

impl std::fmt::Debug for CanaryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CanaryKey")
    }
}

/// For whom a token is.
#[derive(Clone, Copy, Debug)]
pub struct Bearer<'b> {
    /// `UserId`.
    pub caller: &'b str,
    /// `SessionId`, or empty.
    pub session: &'b str,
    /// Id of the decision, for tokens that stand in one call only; else empty.
    pub call: &'b str,
}

impl CanaryKey {
    /// With the installation's secret, of any length.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let mut prefix = [0; PREFIX];
        letters(&key, &[b"prefix"], &mut prefix);
        Self { key, prefix }
    }

    /// The token of a bearer in a period.
    #[must_use]
    pub fn token(&self, bearer: &Bearer<'_>, period: i64) -> String {
        let mut token = [0; TOKEN];
        let (prefix, rest) = token.split_at_mut(PREFIX);
        let (mark, proof) = rest.split_at_mut(MARK);
        prefix.copy_from_slice(&self.prefix);
        let period = period.to_be_bytes();
        let parts = [b"mark".as_slice(), &period];
        let names = [bearer.caller, bearer.session, bearer.call].map(str::as_bytes);
        letters(&self.key, &[&parts[..], &names[..]].concat(), mark);
        letters(&self.key, &[b"proof", mark], proof);
        String::from_utf8_lossy(&token).into_owned()
    }

    /// Tokens of this installation in a text, whatever stands between their letters.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<(Span, String)> {
        let plain = Plain::of(text);
        let bytes = plain.text.as_bytes();
        let mut found = Vec::new();
        let (mut from, mut tried) = (0, 0);
        while let Some(at) = position(bytes, &self.prefix, from).filter(|_| tried < TRIED_MAX) {
            from = at + 1;
            tried += 1;
            let Some(token) = bytes.get(at..at + TOKEN).filter(|token| self.is_own(token)) else {
                continue;
            };
            let span = plain.span(text, at, at + TOKEN);
            found.push((span, String::from_utf8_lossy(token).into_owned()));
            if found.len() >= FOUND_MAX {
                break;
            }
        }
        found
    }

    /// The period, up to `now_period`, in which a token was made for a bearer; `None` if in none of
    /// the last thousand.
    #[must_use]
    pub fn belongs(&self, token: &str, bearer: &Bearer<'_>, now_period: i64) -> Option<i64> {
        (0..PERIODS_MAX)
            .map(|back| now_period - back)
            .find(|period| self.token(bearer, *period) == token)
    }

    fn is_own(&self, token: &[u8]) -> bool {
        let Some((mark, proof)) = token
            .get(PREFIX..)
            .and_then(|rest| rest.split_at_checked(MARK))
        else {
            return false;
        };
        let mut own = [0; PROOF];
        letters(&self.key, &[b"proof", mark], &mut own);
        own == proof
    }
}

/// A secret and what is done with it.
#[derive(Debug)]
pub(crate) struct Canaries {
    pub(crate) key: CanaryKey,
    config: InsertedCanaries,
}

impl Canaries {
    /// `None` where none are wanted.
    pub(crate) fn new(secret: &[u8], config: &InsertedCanaries) -> Option<Self> {
        config.insert.then(|| Self {
            key: CanaryKey::new(secret),
            config: config.clone(),
        })
    }

    /// The token for a call, and the sentence that holds it.
    pub(crate) fn for_call(&self, bearer: Bearer<'_>, now_us: i64) -> (String, String) {
        let bearer = match self.config.per {
            CanaryPer::Caller => Bearer {
                session: "",
                call: "",
                ..bearer
            },
            CanaryPer::Session => Bearer { call: "", ..bearer },
            CanaryPer::Call => bearer,
        };
        let token = self.key.token(&bearer, self.config.period(now_us));
        let sentence = self.config.sentence.replace(PLACE, &token);
        (token, sentence)
    }
}

/// What stands for the token in a sentence.
pub(crate) const PLACE: &str = "{canary}";

fn letters(key: &hmac::Key, parts: &[&[u8]], out: &mut [u8]) {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        context.update(&length.to_be_bytes());
        context.update(part);
    }
    let tag = context.sign();
    for (letter, byte) in out.iter_mut().zip(tag.as_ref()) {
        *letter = ALPHABET[usize::from(byte & 31)];
    }
}

/// A text reduced to its letters and digits, in lower case.
pub(crate) struct Plain {
    pub(crate) text: String,
}

impl Plain {
    pub(crate) fn of(text: &str) -> Self {
        Self {
            text: text.chars().filter_map(plain).collect(),
        }
    }

    /// Where bytes of it stand in the text that it was made of.
    pub(crate) fn span(&self, text: &str, start: usize, end: usize) -> Span {
        let (mut at, mut first, mut last) = (0, None, 0);
        for (place, c) in text.char_indices() {
            let Some(reduced) = plain(c) else { continue };
            let next = at + reduced.len_utf8();
            if next > start && first.is_none() {
                first = Some(place);
            }
            if at < end {
                last = place + c.len_utf8();
            } else {
                break;
            }
            at = next;
        }
        Span::new(first.unwrap_or(0), last)
    }
}

/// A letter or digit as it is compared; full-width ones are what they look like.
fn plain(c: char) -> Option<char> {
    let narrow = match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    narrow
        .is_alphanumeric()
        .then(|| narrow.to_lowercase().next().unwrap_or(narrow))
}

/// First place of a needle from a byte on.
pub(crate) fn position(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let found = memchr::memmem::find(text.get(from..)?, needle)?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use super::{Bearer, CanaryKey, TOKEN};

    const BEARER: Bearer<'_> = Bearer {
        caller: "ada",
        session: "s-1",
        call: "",
    };

    #[test]
    fn tokens_are_known_again_and_nobody_elses_are() {
        let key = CanaryKey::new(b"one");
        let token = key.token(&BEARER, 7);
        assert_eq!(token.len(), TOKEN);
        for text in [
            format!("it is {token}."),
            token.to_uppercase(),
            token.chars().map(|c| format!("{c} - ")).collect(),
            token.chars().map(|c| format!("{c}\u{200b}")).collect(),
        ] {
            let found = key.find(&text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].1, token);
        }
        assert!(CanaryKey::new(b"two").find(&token).is_empty());
        let mut forged = token.clone();
        forged.replace_range(5..6, if &token[5..6] == "a" { "b" } else { "a" });
        assert!(key.find(&forged).is_empty());
    }

    #[test]
    fn beginnings_without_end_are_not_all_proved() {
        let key = CanaryKey::new(b"one");
        let token = key.token(&BEARER, 7);
        let decoys = |count: usize| token[..4].repeat(count) + &token;
        assert_eq!(key.find(&decoys(100)).len(), 1);
        assert!(key.find(&decoys(super::TRIED_MAX)).is_empty());
    }

    #[test]
    fn a_token_tells_its_bearer_and_period_to_who_asks() {
        let key = CanaryKey::new(b"one");
        let token = key.token(&BEARER, 7);
        assert_eq!(key.belongs(&token, &BEARER, 9), Some(7));
        assert_eq!(key.belongs(&token, &BEARER, 6), None);
        for other in [
            Bearer {
                caller: "bob",
                ..BEARER
            },
            Bearer {
                session: "s-2",
                ..BEARER
            },
            Bearer {
                caller: "adas",
                session: "-1",
                call: "",
            },
        ] {
            assert_eq!(key.belongs(&token, &other, 9), None);
        }
    }

    #[test]
    fn the_place_of_a_token_is_that_in_the_text() {
        let key = CanaryKey::new(b"one");
        let token = key.token(&BEARER, 7);
        let spelled: Vec<String> = token.chars().map(String::from).collect();
        let text = format!("é: {} end", spelled.join("·"));
        let span = key.find(&text)[0].0;
        assert_eq!(&text[span.start..span.end], spelled.join("·"));
    }
}
