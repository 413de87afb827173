//! Who a client certificate says its bearer is.
//!
//! TLS has checked the chain before; here it is only read: the first URI of the subject's
//! alternative names (SPIFFE ids are such), else the first DNS or mail name, else the common name.

use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::arrival::hex;

/// A client certificate, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The caller.
    pub(crate) caller: String,
    /// The subject's organisational unit, or empty.
    pub(crate) team: String,
    /// Beginning of the SHA-256 of its bytes.
    pub(crate) fingerprint: String,
}

impl Certificate {
    /// Reads a certificate (DER); nothing if it names nobody.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate
            .subject_alternative_name()
            .ok()
            .flatten()
            .map(|extension| extension.value.general_names.as_slice())
            .unwrap_or_default();
        let uri = names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let other = names.iter().find_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) => Some(*name),
            _ => None,
        });
        let subject = certificate.subject();
        let common = subject
            .iter_common_name()
            .find_map(|name| name.as_str().ok());
        let team = subject
            .iter_organizational_unit()
            .find_map(|name| name.as_str().ok());
        Some(Self {
            caller: uri
                .or(other)
                .or(common)
                .filter(|name| !name.is_empty())?
                .to_owned(),
            team: team.unwrap_or("").to_owned(),
            fingerprint: hex(&Sha256::digest(der)[..8]),
        })
    }
}
