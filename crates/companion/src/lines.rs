//! Lines of bounded length: what is longer is counted and not kept.

use std::io::{BufRead, BufReader, Read};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes, without the line's end.
    Whole(Vec<u8>),
    /// It was longer than the limit, so many bytes.
    TooLong(u64),
}

/// Lines of a stream.
#[derive(Debug)]
pub struct Lines<R> {
    from: BufReader<R>,
    bytes_max: usize,
}

impl<R: Read> Lines<R> {
    /// Lines of at most so many bytes.
    pub fn new(from: R, bytes_max: usize) -> Self {
        Self {
            from: BufReader::with_capacity(1 << 16, from),
            bytes_max,
        }
    }

    /// The next line; nothing at the end. A last line without an end is a line.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub fn next_line(&mut self) -> std::io::Result<Option<Line>> {
        let mut line = Vec::new();
        let mut length = 0_u64;
        loop {
            let piece = match self.from.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if piece.is_empty() {
                return Ok((length > 0).then(|| self.line(line, length)));
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let content = &piece[..end.unwrap_or(piece.len())];
            length += u64::try_from(content.len()).unwrap_or(u64::MAX);
            if line.len() + content.len() <= self.bytes_max {
                line.extend_from_slice(content);
            } else {
                // Nothing of it is kept.
                line = Vec::new();
            }
            let used = content.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                return Ok(Some(self.line(line, length)));
            }
        }
    }

    fn line(&self, mut line: Vec<u8>, length: u64) -> Line {
        if length > u64::try_from(self.bytes_max).unwrap_or(u64::MAX) {
            return Line::TooLong(length);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Line::Whole(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_what_follows_a_long_one_is_read() {
        let text = b"a\r\n\nlonger than that\nb\nlast".as_slice();
        let mut lines = Lines::new(text, 6);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(line);
        }
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(
            all,
            [
                whole("a"),
                whole(""),
                Line::TooLong(16),
                whole("b"),
                whole("last")
            ]
        );
    }
}
