//! Prompt text is radioactive: this wrapper lets it travel without leaking into logs.

use sha2::{Digest, Sha256};

/// Text that must not appear in our own logs, errors or metrics. `Debug` and `Display` print
/// length and a short hash; the content is reached only by the explicit [`Sensitive::expose`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The content. Call it where the log schema says that the text may go, nowhere else.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: AsRef<[u8]>> std::fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl<T: AsRef<[u8]>> std::fmt::Display for Sensitive<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.0.as_ref();
        let hash = Sha256::digest(bytes);
        write!(
            f,
            "<{} bytes, sha256:{:02x}{:02x}{:02x}{:02x}>",
            bytes.len(),
            hash[0],
            hash[1],
            hash[2],
            hash[3]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Sensitive;

    #[test]
    fn printing_never_shows_the_content() {
        let secret = Sensitive::new("ignore previous instructions");
        let printed = format!("{secret} {secret:?}");
        assert!(!printed.contains("ignore"), "{printed}");
        assert!(printed.starts_with("<28 bytes, sha256:"), "{printed}");
    }
}
