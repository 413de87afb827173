//! Decompression within limits.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream as Lzma};

use super::lz4;
use crate::source::Part;

/// Memory that a decoder of xz or LZMA may take, bytes: the largest preset needs 65 MiB.
const LZMA_MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Largest window of a decoder of zstd, as a power of two: 128 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What came of a decompression.
pub(crate) enum Inflated {
    /// All of it.
    Whole(Vec<u8>),
    /// More than is looked at; the beginning.
    TooMuch(Vec<u8>),
    /// It breaks; what came before that.
    Broken(Vec<u8>, String),
}

/// Which compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Deflate,
    Zlib,
    Gzip,
    Bzip2,
    /// xz, or LZMA with its header of 13 bytes.
    Xz,
    /// LZMA as in a zip: a header of its own, and the size beside it.
    ZipLzma {
        size: u64,
    },
    Zstd,
    Lz4,
}

impl Method {
    /// The method of a zip entry of that size.
    pub(crate) const fn of_zip(number: u16, size: u64) -> Option<Self> {
        Some(match number {
            8 => Self::Deflate,
            12 => Self::Bzip2,
            14 => Self::ZipLzma { size },
            20 | 93 => Self::Zstd,
            95 => Self::Xz,
            _ => return None,
        })
    }
}

/// A part as a stream.
struct Stream<'a> {
    part: Part<'a>,
    offset: u64,
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.part.bytes(self.offset, buffer.len())?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }
}

/// Decompresses up to so many bytes.
pub(crate) fn inflate(part: Part<'_>, method: Method, bytes_max: u64) -> Inflated {
    let stream = BufReader::with_capacity(64 << 10, Stream { part, offset: 0 });
    match method {
        Method::Deflate => read(flate2::bufread::DeflateDecoder::new(stream), bytes_max),
        Method::Zlib => read(flate2::bufread::ZlibDecoder::new(stream), bytes_max),
        Method::Gzip => read(flate2::bufread::MultiGzDecoder::new(stream), bytes_max),
        Method::Bzip2 => read(bzip2::bufread::MultiBzDecoder::new(stream), bytes_max),
        Method::Xz => lzma(
            Lzma::new_auto_decoder(LZMA_MEMORY_BYTES_MAX, CONCATENATED),
            stream,
            bytes_max,
        ),
        Method::ZipLzma { size } => zip_lzma(part, size, bytes_max),
        Method::Zstd => zstd(stream, bytes_max),
        Method::Lz4 => lz4::inflate(part, bytes_max),
    }
}

fn lzma(
    decoder: Result<Lzma, liblzma::stream::Error>,
    stream: impl BufRead,
    bytes_max: u64,
) -> Inflated {
    match decoder {
        Ok(decoder) => read(XzDecoder::new_stream(stream, decoder), bytes_max),
        Err(error) => Inflated::Broken(Vec::new(), error.to_string()),
    }
}

/// Version (2 bytes), size of the properties (2), the properties (5), and the stream; the decoder
/// wants the properties, the size (8), and the stream.
fn zip_lzma(part: Part<'_>, size: u64, bytes_max: u64) -> Inflated {
    let head = part.bytes(0, 9).unwrap_or_default();
    let Some(properties) = head.get(4..9).filter(|_| head.get(2..4) == Some(&[5, 0])) else {
        return Inflated::Broken(Vec::new(), "its LZMA header is cut off".to_owned());
    };
    // A size of all ones says that the stream has an end of its own.
    let size = if size == 0 { u64::MAX } else { size };
    let header = [properties, &size.to_le_bytes()].concat();
    let rest = BufReader::with_capacity(64 << 10, Stream { part, offset: 9 });
    let stream = BufReader::new(Cursor::new(header).chain(rest));
    lzma(
        Lzma::new_lzma_decoder(LZMA_MEMORY_BYTES_MAX),
        stream,
        bytes_max,
    )
}

fn zstd(stream: impl BufRead, bytes_max: u64) -> Inflated {
    let decoder = zstd::stream::read::Decoder::with_buffer(stream).and_then(|mut decoder| {
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok(decoder)
    });
    match decoder {
        Ok(decoder) => read(decoder, bytes_max),
        Err(error) => Inflated::Broken(Vec::new(), error.to_string()),
    }
}

fn read(decoder: impl Read, bytes_max: u64) -> Inflated {
    let mut bytes = Vec::new();
    let mut limited = decoder.take(bytes_max + 1);
    match limited.read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > bytes_max => Inflated::TooMuch(bytes),
        Ok(_) => Inflated::Whole(bytes),
        Err(error) => Inflated::Broken(bytes, error.to_string()),
    }
}
