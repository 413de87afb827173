//! LZ4 frames, decoded here: the library that others of the workspace use is built for trusted data.
//!
//! Checksums are not looked at: a loader that does not check them reads the same bytes.

use super::inflate::Inflated;
use crate::source::{Cursor, Part};

const FRAME: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Largest block that the format knows, bytes.
const BLOCK_BYTES_MAX: usize = 8 << 20;

/// Decodes frame after frame, up to so many bytes.
pub(super) fn inflate(part: Part<'_>, bytes_max: u64) -> Inflated {
    let mut out = Vec::new();
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let mut cursor = Cursor::new(part, 0);
    while !cursor.is_at_end() {
        match frame(&mut cursor, &mut out, bytes_max) {
            Ok(()) if out.len() > bytes_max => return Inflated::TooMuch(out),
            Ok(()) => {}
            Err(reason) => return Inflated::Broken(out, reason),
        }
    }
    Inflated::Whole(out)
}

fn take(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<u8>, String> {
    let taken = cursor.take(count).map_err(|error| error.to_string())?;
    taken.ok_or_else(|| "a frame is cut off".to_owned())
}

fn number(bytes: &[u8]) -> usize {
    let sum = bytes.iter().rev();
    sum.fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

fn frame(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, bytes_max: usize) -> Result<(), String> {
    let magic = take(cursor, 4)?;
    if matches!(magic[..], [0x50..=0x5f, 0x2a, 0x4d, 0x18]) {
        let length = number(&take(cursor, 4)?);
        let is_there = cursor.skip(length as u64);
        return is_there
            .then_some(())
            .ok_or_else(|| "a frame to be skipped is cut off".to_owned());
    }
    if magic != FRAME {
        return Err("what follows is no frame".to_owned());
    }
    let flags = take(cursor, 2)?[0];
    if flags >> 6 != 1 {
        return Err("its version is not known".to_owned());
    }
    let sizes = if flags & 8 == 0 { 0 } else { 8 } + if flags & 1 == 0 { 0 } else { 4 };
    take(cursor, sizes + 1)?;
    loop {
        let word = number(&take(cursor, 4)?);
        let (is_plain, length) = (word >> 31 == 1, word & 0x7fff_ffff);
        if word == 0 {
            break;
        }
        if length > BLOCK_BYTES_MAX {
            return Err("a block is longer than blocks may be".to_owned());
        }
        let body = take(cursor, length)?;
        if is_plain {
            out.extend_from_slice(&body);
        } else {
            block(&body, out, bytes_max)?;
        }
        if out.len() > bytes_max {
            return Ok(());
        }
        if flags & 16 != 0 {
            take(cursor, 4)?;
        }
    }
    if flags & 4 != 0 {
        take(cursor, 4)?;
    }
    Ok(())
}

/// A length that goes on in the bytes behind.
fn length(first: u8, rest: &mut std::slice::Iter<'_, u8>) -> Result<usize, String> {
    let mut sum = usize::from(first);
    if first < 15 {
        return Ok(sum);
    }
    loop {
        let byte = *rest.next().ok_or("a length is cut off")?;
        sum += usize::from(byte);
        if byte < 255 {
            return Ok(sum);
        }
    }
}

fn block(input: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> Result<(), String> {
    let mut rest = input.iter();
    while let Some(token) = rest.next() {
        let literals = length(token >> 4, &mut rest)?;
        let text = rest.as_slice();
        let copied = text.get(..literals).ok_or("a text is cut off")?;
        out.extend_from_slice(copied);
        rest = text.get(literals..).unwrap_or_default().iter();
        if rest.as_slice().is_empty() || out.len() > bytes_max {
            return Ok(());
        }
        let (low, high) = (rest.next(), rest.next());
        let (Some(low), Some(high)) = (low, high) else {
            return Err("a distance is cut off".to_owned());
        };
        let distance = usize::from(*low) | usize::from(*high) << 8;
        let count = length(token & 15, &mut rest)? + 4;
        let from = out.len().checked_sub(distance);
        let from = from.filter(|_| distance > 0);
        let from = from.ok_or("a distance leads before the beginning")?;
        // The copy may read what it has just written.
        let room = bytes_max.saturating_sub(out.len()) + 1;
        for at in from..from + count.min(room) {
            out.push(out[at]);
        }
    }
    Ok(())
}
