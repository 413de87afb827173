//! A tar archive (POSIX.1-1988 ustar) in one canonical form: files only, sorted by name, owner,
//! times and modes fixed, so that the same content is the same bytes.

use std::collections::BTreeMap;

const BLOCK: usize = 512;
/// Longest name that a header holds.
const NAME_BYTES_MAX: usize = 100;

/// Files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Writes the archive; `None` if a name does not fit.
pub(super) fn write(files: &Files) -> Option<Vec<u8>> {
    let size: usize = files.values().map(|file| file.len() + 2 * BLOCK).sum();
    let mut out = Vec::with_capacity(size + 2 * BLOCK);
    for (name, content) in files {
        out.extend_from_slice(&header(name, content.len())?);
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    Some(out)
}

fn header(name: &str, size: usize) -> Option<[u8; BLOCK]> {
    let is_plain = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('/')
        && !name
            .split('/')
            .any(|part| part.is_empty() || part == "." || part == "..")
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
    let size = format!("{size:011o}\0");
    if !is_plain || size.len() != 12 {
        return None;
    }
    let mut block = [0_u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in block.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000444\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, size.as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    for (to, from) in block.iter_mut().skip(148).zip(sum.as_bytes()) {
        *to = *from;
    }
    Some(block)
}

/// Reads an archive that [`write`] made; `None` if a single byte is otherwise.
pub(super) fn read(bytes: &[u8]) -> Option<Files> {
    let mut files = Files::new();
    let mut at = 0;
    loop {
        let block = bytes.get(at..at + BLOCK)?;
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        let name = block.get(..NAME_BYTES_MAX)?;
        let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
        let name = std::str::from_utf8(name.get(..end)?).ok()?;
        let size = std::str::from_utf8(block.get(124..135)?).ok()?;
        let size = usize::from_str_radix(size, 8).ok()?;
        let content = bytes.get(at + BLOCK..(at + BLOCK).checked_add(size)?)?;
        if files.insert(name.to_owned(), content.to_vec()).is_some() {
            return None;
        }
        at = (at + BLOCK + size).next_multiple_of(BLOCK);
    }
    // What was read, written again, is what was given: so nothing was overlooked.
    (write(&files)? == bytes).then_some(files)
}

#[cfg(test)]
mod tests {
    use super::{Files, read, write};

    #[test]
    fn an_archive_has_one_form() {
        let files: Files = [
            ("a.json".to_owned(), b"{}".to_vec()),
            ("rules/x.yml".to_owned(), vec![7; 1_000]),
            ("z".to_owned(), Vec::new()),
        ]
        .into();
        let bytes = write(&files).unwrap();
        assert_eq!(read(&bytes).unwrap(), files);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_ne!(read(&changed).as_ref(), Some(&files), "byte {at}");
        }
        assert!(read(&bytes[..bytes.len() - 1]).is_none());
        assert!(read(&[bytes.clone(), vec![0]].concat()).is_none());
        for name in ["", "/etc/passwd", "../x", "a//b", "ä", "a b"] {
            assert!(
                write(&[(name.to_owned(), vec![])].into()).is_none(),
                "{name}"
            );
        }
    }
}
