//! Decompression within limits.

use std::io::{self, Read};

use crate::source::Part;

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
#[derive(Clone, Copy)]
pub(crate) enum Method {
    Deflate,
    Zlib,
    Gzip,
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
    let stream = io::BufReader::with_capacity(64 << 10, Stream { part, offset: 0 });
    match method {
        Method::Deflate => read(flate2::bufread::DeflateDecoder::new(stream), bytes_max),
        Method::Zlib => read(flate2::bufread::ZlibDecoder::new(stream), bytes_max),
        Method::Gzip => read(flate2::bufread::MultiGzDecoder::new(stream), bytes_max),
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
