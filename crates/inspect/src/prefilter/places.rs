//! Where literals may start: at words, and at signs that a literal starts with.

/// Bytes that are looked at together.
const LANES: usize = 8;
const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES * 0x80;

/// Calls `place` with every offset at which a literal may start, from left to right; `first` are
/// the bytes that literals start with.
///
/// A word starts at an ASCII letter or digit behind anything else. Scripts without blanks have no
/// such place, so every one of their characters is one. `\nignore` in a JSON string within a
/// string starts a word too.
#[inline]
pub(super) fn for_each_place(bytes: &[u8], first: &[bool; 256], mut place: impl FnMut(usize)) {
    let mut before = 0;
    let mut at = 0;
    while at < bytes.len() {
        let lanes = match bytes.get(at..at + LANES).map(TryInto::try_into) {
            Some(Ok(lanes)) => u64::from_le_bytes(lanes),
            _ => padded(bytes, at),
        };
        let alphanumeric = bits(alphanumeric(lanes));
        let starts = alphanumeric & !(alphanumeric << 1 | before);
        before = alphanumeric >> (LANES - 1) & 1;
        let signs = !alphanumeric & bits(beyond_blank(lanes));
        let mut candidates = starts | signs;
        while candidates != 0 {
            let start = at + candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            if let Some(byte) = bytes.get(start) {
                one_place(bytes, start, *byte, first, &mut place);
            }
        }
        at += LANES;
    }
}

#[inline]
fn one_place(
    bytes: &[u8],
    start: usize,
    byte: u8,
    first: &[bool; 256],
    place: &mut impl FnMut(usize),
) {
    if first[usize::from(byte)] && (!byte.is_ascii_alphanumeric() || starts_word(bytes, start)) {
        place(start);
    }
    if matches!(byte, b'n' | b't' | b'r')
        && start.checked_sub(1).and_then(|i| bytes.get(i)) == Some(&b'\\')
        && bytes.get(start + 1).is_some_and(u8::is_ascii_alphanumeric)
    {
        place(start + 1);
    }
}

/// The high bit of every lane that holds a small letter or a digit.
#[inline]
fn alphanumeric(lanes: u64) -> u64 {
    let low = lanes & !HIGH;
    let within = |from: u8, to: u8| {
        let at_least = low + ONES * (0x80 - from as u64);
        let beyond = low + ONES * (0x80 - to as u64 - 1);
        at_least & !beyond
    };
    (within(b'a', b'z') | within(b'0', b'9')) & !lanes & HIGH
}

/// The high bit of every lane that holds anything but white space and controls.
#[inline]
const fn beyond_blank(lanes: u64) -> u64 {
    let low = lanes & !HIGH;
    ((low + ONES * (0x80 - b' ' as u64 - 1)) | lanes) & HIGH
}

/// One bit per lane.
#[inline]
const fn bits(high: u64) -> u64 {
    (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cold]
fn padded(bytes: &[u8], at: usize) -> u64 {
    let mut lanes = [0; LANES];
    for (lane, byte) in lanes.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *lane = *byte;
    }
    u64::from_le_bytes(lanes)
}

/// Whether a letter that follows no ASCII letter or digit starts a word: not within a word of a
/// script with case and accents.
#[inline]
fn starts_word(bytes: &[u8], at: usize) -> bool {
    let previous = at.checked_sub(1).and_then(|i| bytes.get(i));
    previous.is_none_or(u8::is_ascii) || is_caseless(bytes, at)
}

/// Whether the character before `at` belongs to a script without case (CJK and the like start
/// with 0xE0 and up in UTF-8) or is punctuation: Latin words may follow it directly.
fn is_caseless(bytes: &[u8], at: usize) -> bool {
    let head = bytes.get(at.saturating_sub(4)..at).unwrap_or_default();
    head.iter()
        .rev()
        .find(|b| **b >= 0xC0)
        .is_some_and(|lead| *lead >= 0xE0)
}
