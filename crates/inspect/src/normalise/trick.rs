//! The tricks that normalisation undoes: their names in the log, and how suspicious each is.

/// A way to write text so that people or filters do not read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Trick {
    /// Invisible characters between visible ones.
    ZeroWidth,
    /// Controls that change the direction in which text is shown.
    Bidi,
    /// Unicode tag characters: an invisible copy of ASCII.
    Tags,
    /// Variation selectors used as bytes.
    VariationSelectors,
    /// Letters of another script that look alike.
    Homoglyph,
    /// Compatibility forms: mathematical, circled, small capitals, upside-down.
    Styled,
    /// Full-width forms.
    FullWidth,
    /// Digits and symbols for letters.
    Leetspeak,
    /// Letters with blanks or punctuation between them.
    Spaced,
    /// Words without the blanks between them.
    Joined,
    /// Text from back to front.
    Reversed,
    /// HTML character references.
    HtmlEntities,
    /// Markup inside of words.
    Markdown,
    /// Percent encoding.
    Percent,
    /// Quoted-printable.
    QuotedPrintable,
    /// Backslash escapes of a programming language.
    Escapes,
    /// Base64, standard or URL-safe.
    Base64,
    /// Base32.
    Base32,
    /// Hexadecimal digits, or numbers for characters.
    Hex,
    /// Ascii85.
    Ascii85,
    /// Every letter moved by 13.
    Rot13,
    /// Dots and dashes.
    Morse,
}

impl Trick {
    /// Every trick.
    pub(crate) const ALL: &'static [Self] = &[
        Self::ZeroWidth,
        Self::Bidi,
        Self::Tags,
        Self::VariationSelectors,
        Self::Homoglyph,
        Self::Styled,
        Self::FullWidth,
        Self::Leetspeak,
        Self::Spaced,
        Self::Joined,
        Self::Reversed,
        Self::HtmlEntities,
        Self::Markdown,
        Self::Percent,
        Self::QuotedPrintable,
        Self::Escapes,
        Self::Base64,
        Self::Base32,
        Self::Hex,
        Self::Ascii85,
        Self::Rot13,
        Self::Morse,
    ];

    /// The name in `NormFlags` and in rule ids (`hidden_payload.<name>`).
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ZeroWidth => "zero_width",
            Self::Bidi => "bidi",
            Self::Tags => "unicode_tags",
            Self::VariationSelectors => "variation_selectors",
            Self::Homoglyph => "homoglyph",
            Self::Styled => "styled_letters",
            Self::FullWidth => "full_width",
            Self::Leetspeak => "leetspeak",
            Self::Spaced => "spaced_letters",
            Self::Joined => "joined_words",
            Self::Reversed => "reversed",
            Self::HtmlEntities => "html_entities",
            Self::Markdown => "markdown",
            Self::Percent => "percent_encoding",
            Self::QuotedPrintable => "quoted_printable",
            Self::Escapes => "escapes",
            Self::Base64 => "base64",
            Self::Base32 => "base32",
            Self::Hex => "hex",
            Self::Ascii85 => "ascii85",
            Self::Rot13 => "rot13",
            Self::Morse => "morse",
        }
    }

    /// The rule id of an instruction that was hidden this way.
    #[must_use]
    pub(crate) const fn rule(self) -> &'static str {
        match self {
            Self::ZeroWidth => "hidden_payload.zero_width",
            Self::Bidi => "hidden_payload.bidi",
            Self::Tags => "hidden_payload.unicode_tags",
            Self::VariationSelectors => "hidden_payload.variation_selectors",
            Self::Homoglyph => "hidden_payload.homoglyph",
            Self::Styled => "hidden_payload.styled_letters",
            Self::FullWidth => "hidden_payload.full_width",
            Self::Leetspeak => "hidden_payload.leetspeak",
            Self::Spaced => "hidden_payload.spaced_letters",
            Self::Joined => "hidden_payload.joined_words",
            Self::Reversed => "hidden_payload.reversed",
            Self::HtmlEntities => "hidden_payload.html_entities",
            Self::Markdown => "hidden_payload.markdown",
            Self::Percent => "hidden_payload.percent_encoding",
            Self::QuotedPrintable => "hidden_payload.quoted_printable",
            Self::Escapes => "hidden_payload.escapes",
            Self::Base64 => "hidden_payload.base64",
            Self::Base32 => "hidden_payload.base32",
            Self::Hex => "hidden_payload.hex",
            Self::Ascii85 => "hidden_payload.ascii85",
            Self::Rot13 => "hidden_payload.rot13",
            Self::Morse => "hidden_payload.morse",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// A set of tricks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tricks(u32);

impl Tricks {
    /// Adds one.
    pub(crate) const fn insert(&mut self, trick: Trick) {
        self.0 |= trick.bit();
    }

    /// Adds all of another set.
    pub(crate) const fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether one is in it.
    #[must_use]
    pub(crate) const fn contains(self, trick: Trick) -> bool {
        self.0 & trick.bit() != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in it, in the order of [`Trick::ALL`].
    pub(crate) fn iter(self) -> impl Iterator<Item = Trick> {
        Trick::ALL
            .iter()
            .copied()
            .filter(move |trick| self.contains(*trick))
    }
}
