//! What a file is, by its first bytes.

use crate::archives::inflate::Method;

/// Formats that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Pickle,
    Zip,
    Gzip,
    Zlib,
    Tar,
    Safetensors,
    Npy,
    Gguf,
    Hdf5,
    Onnx,
    Json,
    /// bzip2, xz, LZMA, zstd or LZ4.
    Compressed(&'static str, Method),
    /// joblib before 0.10: a length in hexadecimal, then zlib.
    OldJoblib,
    /// A library or program of a machine.
    Native(&'static str),
    /// An archive or compression that is not opened.
    Closed(&'static str),
    Unknown,
}

impl Format {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pickle => "pickle",
            Self::Zip => "zip",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Tar => "tar",
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
            Self::Gguf => "gguf",
            Self::Hdf5 => "hdf5",
            Self::Onnx => "onnx",
            Self::Json => "json",
            Self::OldJoblib => "joblib-zlib",
            Self::Compressed(name, _) | Self::Native(name) | Self::Closed(name) => name,
            Self::Unknown => "unknown",
        }
    }

    /// The format of a file that begins with these bytes (512 are enough) and has that length.
    pub(crate) fn of(head: &[u8], length: u64) -> Self {
        for (magic, format) in MAGIC {
            if head.starts_with(magic) {
                return *format;
            }
        }
        if let [0x80, 0..=5, ..] = head {
            return Self::Pickle;
        }
        if head.starts_with(b"MZ") && head.windows(4).any(|window| window == b"PE\0\0") {
            return Self::Native("pe");
        }
        if is_tar(head) {
            return Self::Tar;
        }
        if is_safetensors(head, length) {
            return Self::Safetensors;
        }
        // Compression method 8 and a header that is a multiple of 31 (RFC 1950).
        if let [first, second, ..] = head
            && first & 0x0f == 8
            && first >> 4 <= 7
            && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31)
        {
            return Self::Zlib;
        }
        let text = head.trim_ascii_start();
        if matches!(text.first(), Some(b'{' | b'[')) && head.iter().all(|byte| *byte != 0) {
            return Self::Json;
        }
        // ModelProto: ir_version, then opset or producer, or the graph.
        if let [0x08, 1..=20, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..] = head {
            return Self::Onnx;
        }
        Self::Unknown
    }

    /// The format that a name promises, as far as it promises one.
    pub(crate) fn promised(name: &str) -> Option<&'static [Self]> {
        let name = name.to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        Some(match extension {
            "safetensors" => &[Self::Safetensors],
            "gguf" => &[Self::Gguf],
            "npy" => &[Self::Npy],
            "npz" | "keras" | "zip" => &[Self::Zip],
            "h5" | "hdf5" => &[Self::Hdf5],
            "onnx" => &[Self::Onnx, Self::Unknown],
            "json" => &[Self::Json],
            "png" | "jpg" | "jpeg" | "gif" | "txt" | "md" | "csv" | "yaml" | "yml" | "toml" => {
                &[Self::Unknown, Self::Json]
            }
            _ => return None,
        })
    }

    /// Whether a name is one that loaders unpickle.
    pub(crate) fn is_pickle_name(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let extensions = [
            ".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".dill", ".dat", ".p",
        ];
        extensions.iter().any(|extension| name.ends_with(extension))
    }
}

const MAGIC: &[(&[u8], Format)] = &[
    (b"PK\x03\x04", Format::Zip),
    (b"PK\x05\x06", Format::Zip),
    (b"\x1f\x8b", Format::Gzip),
    (b"\x93NUMPY", Format::Npy),
    (b"GGUF", Format::Gguf),
    (b"\x89HDF\r\n\x1a\n", Format::Hdf5),
    (b"7z\xbc\xaf\x27\x1c", Format::Closed("7z")),
    (b"Rar!\x1a\x07", Format::Closed("rar")),
    (b"MSCF", Format::Closed("cab")),
    (b"\xac\xed\x00\x05", Format::Closed("java-serialization")),
    (b"RDX2\n", Format::Closed("rdata")),
    (b"RDX3\n", Format::Closed("rdata")),
    (b"X\n\x00\x00\x00\x02", Format::Closed("rds")),
    (b"X\n\x00\x00\x00\x03", Format::Closed("rds")),
    (b"\xfd7zXZ\x00", Format::Compressed("xz", Method::Xz)),
    (b"\x5d\x00\x00", Format::Compressed("lzma", Method::Xz)),
    (b"BZh", Format::Compressed("bzip2", Method::Bzip2)),
    (
        b"\x28\xb5\x2f\xfd",
        Format::Compressed("zstd", Method::Zstd),
    ),
    (b"\x04\x22\x4d\x18", Format::Compressed("lz4", Method::Lz4)),
    (b"ZF0x", Format::OldJoblib),
    (b"\x7fELF", Format::Native("elf")),
    (b"\xfe\xed\xfa\xce", Format::Native("mach-o")),
    (b"\xfe\xed\xfa\xcf", Format::Native("mach-o")),
    (b"\xce\xfa\xed\xfe", Format::Native("mach-o")),
    (b"\xcf\xfa\xed\xfe", Format::Native("mach-o")),
    (b"\xca\xfe\xba\xbe", Format::Native("mach-o or java class")),
];

/// `ustar`, or an old archive whose checksum holds.
fn is_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..512) else {
        return false;
    };
    if header[257..262] == *b"ustar" {
        return true;
    }
    let digits: String = header[148..156].iter().map(|b| char::from(*b)).collect();
    let Ok(told) = u32::from_str_radix(digits.trim_matches(['\0', ' ']), 8) else {
        return false;
    };
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let field: u32 = header[148..156].iter().map(|byte| u32::from(*byte)).sum();
    header[0] != 0 && told == sum - field + 8 * 32
}

fn is_safetensors(head: &[u8], length: u64) -> bool {
    let Some(bytes) = head.first_chunk::<8>() else {
        return false;
    };
    let header = u64::from_le_bytes(*bytes);
    header >= 2 && header <= length.max(1 << 30) && head.get(8) == Some(&b'{')
}
