//! Building and verifying a bundle.

use std::collections::BTreeMap;

use atalaya_journal::ChainHash;
use atalaya_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::archive::{self, Files};
use super::collect::Link;
use super::key::{SigningKey, fingerprint, is_signed};
use crate::ids::{sha256_hex, unhex};

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";
const PUBLIC_KEY: &str = "public.key";
/// Records of the log with the links of their chain.
pub(super) const RECORDS: &str = "records.jsonl";
/// Version of the bundle's form.
const FORMAT: u32 = 1;

/// What a bundle is, and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the form.
    pub format: u32,
    /// Id of the bundle.
    pub bundle_id: String,
    /// When it was made.
    pub created: String,
    /// By whom.
    pub author: String,
    /// On which node.
    pub node_id: String,
    /// With which version of the product.
    pub product_version: String,
    /// The incident, if there is one.
    pub incident_id: String,
    /// Identity of the journal's chain.
    pub chain_id: String,
    /// Number of the newest record when the bundle was made.
    pub head_seq: u64,
    /// Its hash.
    pub head_hash: String,
    /// How many records of the chain were verified when the bundle was made.
    pub chain_records_verified: u64,
    /// Whether all of them were good.
    pub chain_is_good: bool,
    /// Records in the bundle.
    pub records: u64,
    /// Whether more records belonged to it than a bundle holds.
    pub truncated: bool,
    /// Fingerprint of the key that signed.
    pub key_fingerprint: String,
    /// Every other file: name → SHA-256 and bytes.
    pub files: BTreeMap<String, FileEntry>,
}

/// A file of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub bytes: u64,
}

/// What was found in a good bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedBundle {
    /// What it says about itself.
    pub manifest: Manifest,
    /// The key that signed, hexadecimal.
    pub public_key: String,
    /// Whether that key was the one that was asked for.
    pub key_was_named: bool,
    /// Links of the chain that were computed again.
    pub links: u64,
}

/// Why a bundle is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is no bundle, or its form was changed.
    #[error("the file is no bundle, or was changed: {0}")]
    Form(String),
    /// A file in it was changed, added or removed.
    #[error("{0} was changed, added or removed")]
    File(String),
    /// The signature does not belong to the manifest.
    #[error("the signature does not belong to the manifest")]
    Signature,
    /// Somebody else signed.
    #[error("it is signed with the key {found}, not with the one that was named")]
    OtherKey {
        /// The key that signed.
        found: String,
    },
    /// A record does not hang in the chain as it says.
    #[error("record {0} does not hang in the chain as it says")]
    Chain(u64),
}

/// Builds a bundle. The manifest's `files`, `key_fingerprint`, `format` are filled in.
///
/// # Errors
/// If a name does not fit into an archive.
pub fn build(
    mut files: BTreeMap<String, Vec<u8>>,
    mut manifest: Manifest,
    key: &SigningKey,
) -> Result<Vec<u8>, VerifyError> {
    let public = key.public_hex();
    manifest.format = FORMAT;
    manifest.key_fingerprint = fingerprint(&unhex(&public).unwrap_or_default());
    manifest.files = entries(&files);
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| VerifyError::Form(error.to_string()))?;
    let signature = key.sign(&text);
    files.insert(MANIFEST.to_owned(), text);
    files.insert(SIGNATURE.to_owned(), signature.into_bytes());
    files.insert(PUBLIC_KEY.to_owned(), public.into_bytes());
    archive::write(&files).ok_or_else(|| VerifyError::Form("a name does not fit".to_owned()))
}

fn entries(files: &Files) -> BTreeMap<String, FileEntry> {
    files
        .iter()
        .map(|(name, content)| {
            let entry = FileEntry {
                sha256: sha256_hex(content),
                bytes: content.len() as u64,
            };
            (name.clone(), entry)
        })
        .collect()
}

/// Verifies a bundle, with nothing but its bytes. `key` is the public key that must have signed,
/// from somewhere else; without it the bundle is only known to be what *somebody* signed.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(bytes: &[u8], key: Option<&str>) -> Result<VerifiedBundle, VerifyError> {
    let form = |what: &str| VerifyError::Form(what.to_owned());
    let mut files = archive::read(bytes).ok_or_else(|| form("the archive"))?;
    let mut take = |name: &str| files.remove(name).ok_or_else(|| form(name));
    let (text, signature, public) = (take(MANIFEST)?, take(SIGNATURE)?, take(PUBLIC_KEY)?);
    let public_hex = String::from_utf8(public).map_err(|_| form(PUBLIC_KEY))?;
    let public = unhex(&public_hex).ok_or_else(|| form(PUBLIC_KEY))?;
    let signature = std::str::from_utf8(&signature)
        .ok()
        .and_then(unhex)
        .ok_or_else(|| form(SIGNATURE))?;
    if !is_signed(&public, &text, &signature) {
        return Err(VerifyError::Signature);
    }
    if let Some(key) = key
        && !key.trim().eq_ignore_ascii_case(&public_hex)
        && key.trim() != fingerprint(&public)
    {
        return Err(VerifyError::OtherKey {
            found: fingerprint(&public),
        });
    }
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| form(&error.to_string()))?;
    if manifest.format != FORMAT {
        let format = manifest.format;
        return Err(form(&format!("form {format} is of a later version")));
    }
    if manifest.key_fingerprint != fingerprint(&public) {
        return Err(VerifyError::File(PUBLIC_KEY.to_owned()));
    }
    let found = entries(&files);
    let names = manifest.files.keys().chain(found.keys());
    for name in names {
        if manifest.files.get(name) != found.get(name) {
            return Err(VerifyError::File(name.clone()));
        }
    }
    let links = check_links(files.get(RECORDS).map_or(&[][..], |r| r), &manifest)?;
    Ok(VerifiedBundle {
        manifest,
        public_key: public_hex,
        key_was_named: key.is_some(),
        links,
    })
}

/// Computes every link of the chain again.
fn check_links(records: &[u8], manifest: &Manifest) -> Result<u64, VerifyError> {
    let mut before: Option<(u64, String)> = None;
    let mut links = 0;
    for line in records
        .split(|byte| *byte == b'\n')
        .filter(|l| !l.is_empty())
    {
        let link: Link = serde_json::from_slice(line)
            .map_err(|error| VerifyError::Form(format!("{RECORDS}: {error}")))?;
        let previous = unhex(&link.previous_hash)
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .map(ChainHash)
            .ok_or(VerifyError::Chain(link.seq))?;
        let hash = ChainHash::of(
            &previous,
            link.seq,
            Timestamp(link.time_us),
            link.payload.as_bytes(),
        );
        let follows = before
            .as_ref()
            .is_none_or(|(seq, hash)| match link.seq.checked_sub(*seq) {
                Some(0) | None => false,
                Some(1) => *hash == link.previous_hash,
                Some(_) => true,
            });
        let is_head = link.seq == manifest.head_seq;
        let is_good = hash.to_hex() == link.hash
            && follows
            && link.seq <= manifest.head_seq
            && (!is_head || link.hash == manifest.head_hash);
        if !is_good {
            return Err(VerifyError::Chain(link.seq));
        }
        before = Some((link.seq, link.hash));
        links += 1;
    }
    if links == manifest.records {
        Ok(links)
    } else {
        Err(VerifyError::File(RECORDS.to_owned()))
    }
}
