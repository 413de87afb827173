//! Normalisation: every way a segment's text can be read, with the way back to its bytes.
//!
//! A segment becomes a list of *views*. View 0 is the text itself; every other view is what one
//! trick hid: decoded base64, reversed text, invisible letters. Each view has a *plain* text
//! (case kept; secrets are matched here) and a *folded* one (patterns are matched here), and
//! each knows where in the original its bytes came from. Views of views are made up to
//! [`DEPTH_MAX`], so that base64 within percent encoding is read too.
//!
//! Trade-off: a view is made only if [`shape`] saw its trick's fingerprint, and contains only
//! the neighbourhood of what it undid; ordinary text is read once. Left out: ciphers with a key,
//! text in pictures, words spelled by the first letters of lines.

mod ascii85;
mod base32;
mod base64;
mod blobs;
mod entities;
mod escapes;
mod fold;
mod hex;
mod homoglyphs;
mod invisible;
mod joined;
pub(crate) mod lanes;
mod leetspeak;
mod markdown;
mod morse;
mod offsets;
mod patchwork;
mod percent;
mod regions;
mod reversed;
mod rot13;
mod shape;
mod spaced;
mod trick;
mod vocabulary;

use std::ops::Range;

use atalaya_model::Span;

pub(crate) use self::fold::fold_pattern;
pub(crate) use self::offsets::OffsetMap;
use self::regions::{Places, Regions};
pub(crate) use self::reversed::CUES as REVERSED_CUES;
pub(crate) use self::rot13::CUES as ROT13_CUES;
use self::shape::Shape;
pub(crate) use self::shape::letters_from;
pub(crate) use self::trick::{Trick, Tricks};

/// Frequent words in a disguise, with the blank behind them, as far as they are no words then:
/// some of them together give it away.
pub(crate) fn frequent_words_in(trick: Trick) -> Vec<String> {
    let disguise = match trick {
        Trick::Rot13 => rot13::moved_word,
        _ => reversed::backwards,
    };
    vocabulary::frequent()
        .map(disguise)
        .filter(|word| vocabulary::rank(word.as_bytes()).is_none())
        .map(|word| word + " ")
        .collect()
}

/// Views of views of views.
pub(crate) const DEPTH_MAX: u8 = 3;
/// Views of one segment, the original included.
pub(crate) const VIEWS_MAX: usize = 24;
/// Bytes of all derived views of one segment, beyond twice the segment's length.
pub(crate) const DERIVED_BYTES_MAX: usize = 64 * 1024;

/// One way to read a segment.
#[derive(Debug, Default)]
pub(crate) struct View {
    plain: String,
    folded: String,
    /// From `plain` to the text it was derived from.
    plain_map: OffsetMap,
    /// From `folded` to `plain`.
    fold_map: OffsetMap,
    trick: Option<Trick>,
    parent: usize,
    parent_text: Text,
    depth: u8,
    /// Tricks that folding undid in place.
    folded_tricks: Tricks,
}

/// Which of a view's two texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Text {
    /// As written, case kept.
    #[default]
    Plain,
    /// As patterns read it.
    Folded,
}

impl View {
    /// The text as patterns read it: lower case, one script, nothing invisible.
    #[must_use]
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }

    fn clear(&mut self) {
        self.plain.clear();
        self.plain_map.clear();
    }

    /// What was undone to get here; `None` for the original text.
    #[must_use]
    pub(crate) const fn trick(&self) -> Option<Trick> {
        self.trick
    }
}

/// Every view of one segment. The memory is kept from segment to segment.
#[derive(Debug, Default)]
pub(crate) struct Views {
    views: Vec<View>,
    count: usize,
    derived_bytes: usize,
    /// Whether a limit cut something off.
    limited: bool,
    tricks: Tricks,
    word_order: Option<usize>,
    /// Where the view at hand has what.
    places: Places,
}

impl Views {
    /// Starts over with the original text of a segment.
    pub(crate) fn start(&mut self, original: &str) {
        self.count = 0;
        self.derived_bytes = 0;
        self.limited = false;
        self.word_order = None;
        self.tricks = Tricks::default();
        let view = self.fresh();
        view.plain.clear();
        view.plain_map.clear();
        view.trick = None;
        view.depth = 0;
        view.folded_tricks = fold::fold(original, &mut view.folded, &mut view.fold_map);
        self.tricks.merge(
            self.views
                .first()
                .map_or(Tricks::default(), |v| v.folded_tricks),
        );
        self.count = 1;
    }

    /// Number of views so far.
    #[must_use]
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// A view.
    #[must_use]
    pub(crate) fn get(&self, index: usize) -> Option<&View> {
        self.views.get(index).filter(|_| index < self.count)
    }

    /// A view's plain text; that of view 0 is the original itself.
    #[must_use]
    pub(crate) fn plain<'a>(&'a self, index: usize, original: &'a str) -> &'a str {
        match index {
            0 => original,
            _ => self.get(index).map_or("", |view| &view.plain),
        }
    }

    /// Whether most of a view was hidden, rather than a few places of a text.
    #[must_use]
    pub(crate) fn is_disguised(&self, index: usize) -> bool {
        let mut at = index;
        while let Some(view) = self.get(at).filter(|_| at > 0) {
            match view.trick {
                Some(Trick::Rot13 | Trick::Reversed) => return true,
                _ if view.plain_map.replaced_bytes(view.plain.len()) * 2 >= view.plain.len() => {
                    return true;
                }
                _ => at = view.parent,
            }
        }
        false
    }

    /// Every trick that was undone.
    #[must_use]
    pub(crate) const fn tricks(&self) -> Tricks {
        self.tricks
    }

    /// Whether a limit left something unread.
    #[must_use]
    pub(crate) const fn limited(&self) -> bool {
        self.limited
    }

    /// The span of the original that a span of a view came from.
    #[must_use]
    pub(crate) fn to_original(&self, index: usize, text: Text, span: Span) -> Span {
        let (mut index, mut text, mut span) = (index, text, span);
        while let Some(view) = self.get(index) {
            if text == Text::Folded {
                span = view.fold_map.to_source(span);
            }
            if index == 0 {
                break;
            }
            span = view.plain_map.to_source(span);
            text = view.parent_text;
            index = view.parent;
        }
        span
    }

    /// Where in the plain text of a view an offset of its folded text stands.
    #[must_use]
    pub(crate) fn to_plain(&self, index: usize, at: usize) -> usize {
        self.get(index).map_or(at, |view| {
            view.fold_map.to_source(Span::new(at, at + 1)).start
        })
    }

    /// The tricks that hid a span: those on the way from the original to the view, and those
    /// that folding undid within the span.
    #[must_use]
    pub(crate) fn tricks_at(&self, index: usize, folded: Span, original: &str) -> Tricks {
        let mut tricks = Tricks::default();
        let mut at = index;
        while let Some(view) = self.get(at) {
            if let Some(trick) = view.trick {
                tricks.insert(trick);
            }
            if at == 0 {
                break;
            }
            at = view.parent;
        }
        if let Some(view) = self
            .get(index)
            .filter(|view| !view.folded_tricks.is_empty())
        {
            let source = view
                .fold_map
                .to_source(folded)
                .slice(self.plain(index, original));
            tricks.merge(fold::fold(
                source,
                &mut String::new(),
                &mut OffsetMap::default(),
            ));
        }
        tricks
    }

    /// Makes the views that the shape of view `index` asks for.
    pub(crate) fn derive(&mut self, index: usize, original: &str) {
        let Some(view) = self.get(index) else { return };
        if view.depth >= DEPTH_MAX {
            return;
        }
        let tricks = view.folded_tricks;
        let mut places = std::mem::take(&mut self.places);
        let shape = Shape::of(self.plain(index, original), &mut places);
        if shape != Shape::default() || !tricks.is_empty() {
            if let Some(view) = self.get(index).filter(|view| !view.fold_map.is_same()) {
                places.fold(&view.fold_map);
            }
            self.derive_invisible(index, tricks, original);
            self.derive_encoded(index, shape, &places, original);
            self.derive_disguised(index, shape, &places, original);
        }
        self.places = places;
        // Whoever turns the direction of text around has written it backwards.
        if tricks.contains(Trick::Bidi) {
            self.derive_on_cue(index, Trick::Reversed, 0);
        }
    }

    /// Makes the views that the prefilter asks for: text that shows only when read otherwise.
    pub(crate) fn derive_on_cue(&mut self, index: usize, trick: Trick, cue: usize) {
        let already = self
            .get(index)
            .is_none_or(|view| view.trick == Some(trick) || view.depth >= DEPTH_MAX);
        if already {
            return;
        }
        match trick {
            Trick::Reversed => {
                self.add(
                    index,
                    Trick::Reversed,
                    Text::Folded,
                    "",
                    |source, text, map| reversed::reversed(source, cue, text, map),
                );
                self.add(
                    index,
                    Trick::Reversed,
                    Text::Folded,
                    "",
                    |source, text, map| reversed::reversed_words(source, cue, text, map),
                );
            }
            Trick::Rot13 => {
                self.add(
                    index,
                    Trick::Rot13,
                    Text::Folded,
                    "",
                    |source, text, map| rot13::rot13(source, cue, text, map),
                );
            }
            _ => {}
        }
    }

    /// Whether a view only has the words of the original in the opposite order.
    #[must_use]
    pub(crate) fn is_word_order(&self, index: usize) -> bool {
        self.word_order == Some(index)
    }

    /// Makes the view of the original in which the order of words is the opposite one. It is a look at
    /// the text, not yet a trick of its author.
    pub(crate) fn derive_word_order(&mut self) {
        let (order, before, tricks) = (reversed::word_order, self.count, self.tricks);
        self.add(0, Trick::Reversed, Text::Folded, "", order);
        self.tricks = tricks;
        self.word_order = (self.count > before).then_some(before);
    }

    fn derive_invisible(&mut self, index: usize, tricks: Tricks, original: &str) {
        if tricks.contains(Trick::Tags) {
            self.add(
                index,
                Trick::Tags,
                Text::Plain,
                original,
                invisible::read_tags,
            );
        }
        if tricks.contains(Trick::VariationSelectors) {
            let read = invisible::read_variation_selectors;
            self.add(
                index,
                Trick::VariationSelectors,
                Text::Plain,
                original,
                read,
            );
        }
    }

    fn derive_encoded(&mut self, index: usize, shape: Shape, places: &Places, original: &str) {
        let escapes: [(bool, Trick, Decoder); 5] = [
            (shape.percent, Trick::Percent, percent::percent),
            (
                shape.equals,
                Trick::QuotedPrintable,
                percent::quoted_printable,
            ),
            (shape.ampersand, Trick::HtmlEntities, entities::entities),
            (shape.backslash, Trick::Escapes, escapes::escapes),
            (shape.morse, Trick::Morse, morse::morse),
        ];
        for (wanted, trick, decoder) in escapes {
            if wanted {
                self.add(index, trick, Text::Plain, original, decoder);
            }
        }
        let words = Regions(&places.blobs);
        let blobs: [(bool, Trick, BlobDecoder, Regions<'_>); 4] = [
            (shape.long_word, Trick::Base64, base64::base64, words),
            (shape.long_word, Trick::Base32, base32::base32, words),
            (
                shape.long_word || shape.numbers,
                Trick::Hex,
                hex::hex,
                words,
            ),
            (shape.long_word, Trick::Ascii85, ascii85::ascii85, words),
        ];
        for (wanted, trick, decoder, regions) in blobs {
            if wanted {
                self.add(index, trick, Text::Plain, original, |source, text, map| {
                    decoder(source, regions, text, map)
                });
            }
        }
    }

    fn derive_disguised(&mut self, index: usize, shape: Shape, places: &Places, original: &str) {
        let decoders: [(bool, Trick, BlobDecoder, &[Range<u32>]); 2] = [
            (
                shape.leet,
                Trick::Leetspeak,
                leetspeak::leetspeak,
                &places.leet,
            ),
            (shape.spaced, Trick::Spaced, spaced::spaced, &places.spaced),
        ];
        for (wanted, trick, decoder, around) in decoders {
            if wanted && self.is_new(index, trick) {
                self.add(index, trick, Text::Folded, original, |source, text, map| {
                    decoder(source, Regions(around), text, map)
                });
            }
        }
        if shape.markup && self.is_new(index, Trick::Markdown) {
            let decoder = markdown::markdown;
            self.add(index, Trick::Markdown, Text::Folded, original, decoder);
        }
        if shape.long_letters && self.count < VIEWS_MAX && self.is_new(index, Trick::Joined) {
            let mut view = std::mem::take(self.fresh());
            view.clear();
            let same = self.get(index).is_some_and(|view| view.fold_map.is_same());
            let plain = same.then(|| (self.plain(index, original), Regions(&places.long)));
            let source = self.get(index).map_or("", View::folded);
            let found = joined::joined(source, plain, &mut view.plain, &mut view.plain_map);
            self.put(view, found, (index, Trick::Joined, Text::Folded), original);
        }
    }

    /// Whether a trick was not just undone.
    fn is_new(&self, index: usize, trick: Trick) -> bool {
        self.get(index)
            .is_some_and(|view| view.trick != Some(trick))
    }

    fn add(
        &mut self,
        parent: usize,
        trick: Trick,
        parent_text: Text,
        original: &str,
        decoder: impl FnOnce(&str, &mut String, &mut OffsetMap) -> bool,
    ) {
        if self.count >= VIEWS_MAX {
            self.limited = true;
            return;
        }
        let mut view = std::mem::take(self.fresh());
        view.clear();
        let source = match parent_text {
            Text::Plain => self.plain(parent, original),
            Text::Folded => self.get(parent).map_or("", View::folded),
        };
        let found = decoder(source, &mut view.plain, &mut view.plain_map);
        self.put(view, found, (parent, trick, parent_text), original);
    }

    /// Puts a view that was filled in its place, and keeps it if something was found.
    fn put(
        &mut self,
        mut view: View,
        found: bool,
        (parent, trick, parent_text): (usize, Trick, Text),
        original: &str,
    ) {
        let room = 2 * original.len() + DERIVED_BYTES_MAX;
        let fits = self.derived_bytes + view.plain.len() <= room;
        self.limited |= found && !fits;
        let keeps = found && fits && !view.plain.is_empty();
        if keeps {
            view.trick = Some(trick);
            view.parent = parent;
            view.parent_text = parent_text;
            view.depth = self.get(parent).map_or(0, |p| p.depth) + 1;
            view.folded_tricks = fold::fold(&view.plain, &mut view.folded, &mut view.fold_map);
            self.tricks.insert(trick);
            self.tricks.merge(view.folded_tricks);
            self.derived_bytes += view.plain.len();
        }
        *self.fresh() = view;
        self.count += usize::from(keeps);
    }

    /// The first unused view.
    fn fresh(&mut self) -> &mut View {
        let index = self.count;
        if self.views.len() <= index {
            self.views.resize_with(index + 1, View::default);
        }
        // Just made sure that it exists; indexing states it.
        &mut self.views[index]
    }
}

type Decoder = fn(&str, &mut String, &mut OffsetMap) -> bool;
type BlobDecoder = fn(&str, Regions<'_>, &mut String, &mut OffsetMap) -> bool;

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
