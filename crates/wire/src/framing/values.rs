//! The elements of a JSON array that comes in pieces: a frame ends behind each element. The bytes
//! before an element (a bracket, a comma, white space) belong to its frame.

/// How far an array has been read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    depth: usize,
    in_string: bool,
    is_escape: bool,
    has_value: bool,
}

impl Progress {
    /// The end of the next element, from bytes that were not looked at yet.
    pub(super) fn end(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        for (offset, byte) in bytes.get(from..)?.iter().enumerate() {
            if self.step(*byte) {
                return Some(from + offset + 1);
            }
        }
        None
    }

    /// Whether that byte ends an element.
    fn step(&mut self, byte: u8) -> bool {
        if self.in_string {
            if self.is_escape {
                self.is_escape = false;
            } else if byte == b'\\' {
                self.is_escape = true;
            } else if byte == b'"' {
                self.in_string = false;
            }
            return false;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.has_value = true;
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.has_value = self.depth > 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                let is_end = self.depth == 1 && self.has_value;
                if is_end {
                    self.has_value = false;
                }
                return is_end;
            }
            _ => {}
        }
        false
    }
}

/// The element in a frame: without the bracket or comma before it, and without the array's end.
pub(super) fn element(raw: &[u8]) -> &[u8] {
    let start = raw
        .iter()
        .position(|byte| !matches!(byte, b'[' | b',' | b' ' | b'\t' | b'\n' | b'\r'))
        .unwrap_or(raw.len());
    let rest = raw[start..].trim_ascii_end();
    if rest == b"]" { b"" } else { rest }
}
