//! Archives and compressions that are opened: zip, tar, gzip, zlib, bzip2, xz, LZMA, zstd, LZ4.
//!
//! Read here by hand and not by a library, because an archive that is read in one way by a scanner
//! and in another by a loader is an attack: both descriptions of a zip entry are looked at.

pub(crate) mod inflate;
mod lz4;
pub(crate) mod tar;
pub(crate) mod zip;
