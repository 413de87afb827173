//! Digests that files must have, in the format of `sha256sum`: what was approved, byte for byte.

use std::collections::BTreeMap;

/// Pinned digests by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<String, String>);

/// A line that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for PinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "line {}: {}; write `SHA256  PATH`, as sha256sum does",
            self.line, self.message
        )
    }
}

impl std::error::Error for PinError {}

impl Pins {
    /// Reads `SHA256  PATH` lines; empty ones and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The first line that is neither.
    pub fn parse(text: &str) -> Result<Self, PinError> {
        let mut pins = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |message: &str| PinError {
                line: number + 1,
                message: message.to_owned(),
            };
            let (digest, path) = line
                .split_once([' ', '\t'])
                .ok_or_else(|| wrong("it has no path"))?;
            let path = path
                .trim_start()
                .trim_start_matches('*')
                .trim_start_matches("./");
            let is_digest =
                digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_digest {
                return Err(wrong("the digest has not 64 hexadecimal digits"));
            }
            pins.insert(path.to_owned(), digest.to_ascii_lowercase());
        }
        Ok(Self(pins))
    }

    /// The pinned digest of a path.
    #[must_use]
    pub fn digest_of(&self, path: &str) -> Option<&str> {
        self.0
            .get(path.trim_start_matches("./"))
            .map(String::as_str)
    }

    /// Paths that are pinned.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::Pins;

    #[test]
    fn the_format_of_sha256sum_is_read() {
        let digest = "AB".repeat(32);
        let pins = Pins::parse(&format!("# approved\n{digest}  ./a/b.bin\n{digest} *c\n")).unwrap();
        assert_eq!(pins.digest_of("a/b.bin"), Some("ab".repeat(32).as_str()));
        assert_eq!(pins.paths().count(), 2);
        assert_eq!(Pins::parse("\nxyz  a").unwrap_err().line, 2);
    }
}
