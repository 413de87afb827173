//! The key that bundles are signed with: Ed25519, made at the first use, kept beside the data.

use std::io::Write as _;
use std::path::Path;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::ids::{hex, sha256_hex};

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("the signing key {path}: {source}")]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file holds no key.
    #[error("the signing key {0} is no Ed25519 key in PKCS #8")]
    Invalid(std::path::PathBuf),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a signing key")]
    Random,
}

/// A key to sign with. Has no `Debug`: it is a secret.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A fresh key, gone with the process.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        Self::from_pkcs8(&fresh()?).ok_or(KeyError::Random)
    }

    /// The key in a file; made there, readable by its owner only, if there is none.
    ///
    /// # Errors
    /// If the file cannot be read or made, or holds something else.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let file = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        match std::fs::read(path) {
            Ok(bytes) => Self::from_pkcs8(&bytes).ok_or_else(|| KeyError::Invalid(path.to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let bytes = fresh()?;
                write_secret(path, &bytes).map_err(file)?;
                // Two processes may have made one at the same time: what is on disk counts.
                let bytes = std::fs::read(path).map_err(file)?;
                Self::from_pkcs8(&bytes).ok_or_else(|| KeyError::Invalid(path.to_owned()))
            }
            Err(error) => Err(file(error)),
        }
    }

    fn from_pkcs8(bytes: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(bytes).ok()?;
        Some(Self { pair })
    }

    /// The public key, 64 hexadecimal digits.
    #[must_use]
    pub fn public_hex(&self) -> String {
        hex(self.pair.public_key().as_ref())
    }

    /// The signature of some bytes, 128 hexadecimal digits.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> String {
        hex(self.pair.sign(bytes).as_ref())
    }
}

fn fresh() -> Result<Vec<u8>, KeyError> {
    let random = ring::rand::SystemRandom::new();
    let document = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| KeyError::Random)?;
    Ok(document.as_ref().to_vec())
}

fn write_secret(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Complete before it has its name: a reader never sees half a key.
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => std::fs::remove_file(&draft),
    }
}

/// Whether a signature is that of the key over the bytes.
pub(super) fn is_signed(public: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public)
        .verify(bytes, signature)
        .is_ok()
}

/// What people compare: the first 32 digits of the key's SHA-256, in groups of four.
pub(super) fn fingerprint(public: &[u8]) -> String {
    let digest = sha256_hex(public);
    let groups: Vec<&str> = (0..8)
        .filter_map(|i| digest.get(i * 4..i * 4 + 4))
        .collect();
    groups.join(":")
}
