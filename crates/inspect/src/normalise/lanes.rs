//! Sixty-four bytes at a time: whether each one is of a kind, as one bit.
//!
//! Texts are read by words, and where a word ends is what a processor cannot foresee; with bits
//! in place of bytes it need not.

use wide::u8x16;

/// Bytes that are looked at together.
pub(crate) const LANES: usize = 64;

/// Marks behind a word that make nothing else of it.
const MARKS: [u8; 8] = *b".,;:?)\"'";

/// Sixty-four bytes. Every method gives one bit per byte, the first byte's lowest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes([u8x16; 4]);

impl Lanes {
    /// The bytes from `at` on; what lies beyond the end of the text is blank.
    #[inline]
    pub(crate) fn at(bytes: &[u8], at: usize) -> Self {
        match bytes.get(at..at + LANES).map(TryInto::try_into) {
            Some(Ok(block)) => Self::of(block),
            _ => Self::of(&padded(bytes, at)),
        }
    }

    #[inline]
    fn of(block: &[u8; LANES]) -> Self {
        let mut lanes = [u8x16::splat(b' '); 4];
        for (lane, sixteen) in lanes.iter_mut().zip(block.as_chunks::<16>().0) {
            *lane = u8x16::new(*sixteen);
        }
        Self(lanes)
    }

    /// `A-Z`, `a-z`.
    #[inline]
    pub(crate) fn letters(&self) -> u64 {
        self.bits(|text| within(text | u8x16::splat(0x20), b'a', 26))
    }

    /// `0-9`.
    #[inline]
    pub(crate) fn digits(&self) -> u64 {
        self.bits(|text| within(text, b'0', 10))
    }

    /// `A-F`, `a-f`.
    #[inline]
    pub(crate) fn hex_letters(&self) -> u64 {
        self.bits(|text| within(text | u8x16::splat(0x20), b'a', 6))
    }

    /// White space and controls.
    #[inline]
    pub(crate) fn blanks(&self) -> u64 {
        self.bits(|text| within(text, 0, b' ' + 1))
    }

    /// Line feeds and carriage returns.
    #[inline]
    pub(crate) fn newlines(&self) -> u64 {
        self.bits(|text| is(text, b'\n') | is(text, b'\r'))
    }

    /// `\`.
    #[inline]
    pub(crate) fn backslashes(&self) -> u64 {
        self.bits(|text| is(text, b'\\'))
    }

    /// Everything beyond ASCII.
    #[inline]
    pub(crate) fn high(&self) -> u64 {
        self.bits(|text| text)
    }

    /// Signs that are ordinary in a sentence: `"`, `&` to `)`, `,` to `/`.
    #[inline]
    pub(crate) fn quiet_signs(&self) -> u64 {
        self.bits(|text| is(text, b'"') | within(text, b'&', 4) | within(text, b',', 4))
    }

    /// Signs that make more of a word: `_`, `'`, `@`, `:`.
    #[inline]
    pub(crate) fn word_signs(&self) -> u64 {
        self.bits(|text| is(text, b'_') | is(text, b'\'') | is(text, b'@') | is(text, b':'))
    }

    /// Signs within words that make nothing else of them: `'`, `-`, `.`, `/`.
    #[inline]
    pub(crate) fn joints(&self) -> u64 {
        self.bits(|text| is(text, b'\'') | within(text, b'-', 3))
    }

    /// `.`.
    #[inline]
    pub(crate) fn stops(&self) -> u64 {
        self.bits(|text| is(text, b'.'))
    }

    /// So many bytes from one on.
    #[inline]
    pub(crate) fn within(&self, from: u8, count: u8) -> u64 {
        self.bits(|text| within(text, from, count))
    }

    /// [`MARKS`].
    #[inline]
    pub(crate) fn marks(&self) -> u64 {
        self.bits(|text| {
            let marks = MARKS.iter().map(|mark| is(text, *mark));
            marks.fold(u8x16::splat(0), |all, one| all | one)
        })
    }

    #[inline]
    fn bits(&self, of: impl Fn(u8x16) -> u8x16) -> u64 {
        let [a, b, c, d] = self.0.map(|text| u64::from(of(text).to_bitmask()));
        a | b << 16 | c << 32 | d << 48
    }
}

#[inline]
fn is(text: u8x16, byte: u8) -> u8x16 {
    text.simd_eq(u8x16::splat(byte))
}

/// `count` bytes from `from` on.
#[inline]
fn within(text: u8x16, from: u8, count: u8) -> u8x16 {
    let above = text - u8x16::splat(from);
    above.min(u8x16::splat(count - 1)).simd_eq(above)
}

#[cold]
fn padded(bytes: &[u8], at: usize) -> [u8; LANES] {
    let mut block = [b' '; LANES];
    for (slot, byte) in block.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *slot = *byte;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::{LANES, Lanes, MARKS};

    #[test]
    fn every_byte_is_of_its_kinds() {
        for byte in 0..=u8::MAX {
            let place = usize::from(byte) % LANES;
            let mut bytes = [b'^'; LANES];
            bytes[place] = byte;
            let lanes = Lanes::at(&bytes, 0);
            let kinds = [
                (lanes.letters(), byte.is_ascii_alphabetic()),
                (lanes.digits(), byte.is_ascii_digit()),
                (
                    lanes.hex_letters(),
                    byte.is_ascii_hexdigit() && !byte.is_ascii_digit(),
                ),
                (lanes.blanks(), byte <= b' '),
                (lanes.newlines(), matches!(byte, b'\n' | b'\r')),
                (lanes.backslashes(), byte == b'\\'),
                (lanes.high(), !byte.is_ascii()),
                (lanes.within(0xCE, 8), (0xCE..=0xD5).contains(&byte)),
                (lanes.quiet_signs(), b"\"&'(),-./".contains(&byte)),
                (lanes.word_signs(), b"_'@:".contains(&byte)),
                (lanes.joints(), b"'-./".contains(&byte)),
                (lanes.stops(), byte == b'.'),
                (lanes.marks(), MARKS.contains(&byte)),
            ];
            for (number, (bits, expected)) in kinds.into_iter().enumerate() {
                assert_eq!(bits, u64::from(expected) << place, "{byte}, kind {number}");
            }
        }
    }

    #[test]
    fn beyond_the_end_all_is_blank() {
        assert_eq!(Lanes::at(b"Ab 1\n", 0).blanks(), !0b1011);
        assert_eq!(Lanes::at(b"Ab 1\n", LANES).blanks(), u64::MAX);
    }
}
