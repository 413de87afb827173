//! Bytes that are read at places: a slice in memory, a file, a part of either.

use std::io;

/// Bytes of a known length.
pub trait Source {
    /// How many.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads at a place; how many bytes were read, 0 at the end.
    ///
    /// # Errors
    /// If they cannot be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Bytes that were decompressed.
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Source for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.as_slice().read_at(offset, buffer)
    }
}

/// A part of a source.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    source: &'a dyn Source,
    start: u64,
    length: u64,
}

impl<'a> Part<'a> {
    pub(crate) fn whole(source: &'a dyn Source) -> Self {
        Self {
            source,
            start: 0,
            length: source.len(),
        }
    }

    /// The part of this part; cut where this one ends.
    pub(crate) fn part(&self, start: u64, length: u64) -> Self {
        let start = start.min(self.length);
        Self {
            source: self.source,
            start: self.start + start,
            length: length.min(self.length - start),
        }
    }

    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Up to so many bytes at a place.
    pub(crate) fn bytes(&self, offset: u64, count_max: usize) -> io::Result<Vec<u8>> {
        let left = self.length.saturating_sub(offset);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(count_max);
        let mut bytes = vec![0; count];
        let mut done = 0;
        while done < count {
            let at = self.start + offset + done as u64;
            match self.source.read_at(at, &mut bytes[done..])? {
                0 => break,
                read => done += read.min(count - done),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }
}

/// Bytes in order, through a window.
pub(crate) struct Cursor<'a> {
    part: Part<'a>,
    offset: u64,
    window: Vec<u8>,
    window_at: u64,
}

const WINDOW_BYTES: usize = 64 << 10;

impl<'a> Cursor<'a> {
    pub(crate) const fn new(part: Part<'a>, offset: u64) -> Self {
        Self {
            part,
            offset,
            window: Vec::new(),
            window_at: 0,
        }
    }

    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.offset >= self.part.length
    }

    /// The next byte; `None` at the end.
    pub(crate) fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.offset >= self.part.length {
            return Ok(None);
        }
        let held = self.window_at + self.window.len() as u64;
        if self.offset < self.window_at || self.offset >= held {
            self.window = self.part.bytes(self.offset, WINDOW_BYTES)?;
            self.window_at = self.offset;
        }
        let at = (self.offset - self.window_at) as usize;
        let byte = self.window.get(at).copied();
        self.offset += u64::from(byte.is_some());
        Ok(byte)
    }

    /// Exactly so many bytes; `None` if there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::with_capacity(count.min(WINDOW_BYTES));
        for _ in 0..count {
            match self.byte()? {
                Some(byte) => bytes.push(byte),
                None => return Ok(None),
            }
        }
        Ok(Some(bytes))
    }

    /// Passes over bytes; false if there are fewer.
    pub(crate) const fn skip(&mut self, count: u64) -> bool {
        let is_there = count <= self.part.length - self.offset;
        if is_there {
            self.offset += count;
        }
        is_there
    }

    /// The bytes up to a line feed, without it; `None` if there is none within the limit.
    pub(crate) fn line(&mut self, count_max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        while bytes.len() <= count_max {
            match self.byte()? {
                Some(b'\n') => return Ok(Some(bytes)),
                Some(byte) => bytes.push(byte),
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}
