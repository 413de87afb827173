//! What lies inside of archives and compressed streams, within the limits on depth, entries and
//! inflated bytes.

use atalaya_model::Severity;

use super::Scan;
use crate::archives::inflate::{Inflated, Method, inflate};
use crate::archives::{tar, zip};
use crate::formats::{self, Seen};
use crate::magic::Format;
use crate::report::code;
use crate::source::{Bytes, Part};

impl Scan<'_> {
    pub(super) fn zip(&mut self, path: &str, part: Part<'_>, depth: u8) {
        if !self.may_open(path, depth) {
            return;
        }
        // Loaders count from where the archive begins; others count from the file's beginning.
        let shift = zip::shift(part);
        if shift > 0 {
            let message = "the archive begins behind other bytes";
            let seen = Seen::new(shift, code::AMBIGUOUS_ARCHIVE, Severity::High, message);
            self.tell(path, seen);
            let archive = part.part(shift, part.length());
            self.entries(path, archive, depth, true);
        }
        self.entries(path, part, depth, shift == 0);
    }

    fn entries(&mut self, path: &str, part: Part<'_>, depth: u8, is_whole: bool) {
        let contents = zip::contents(part, self.scanner.limits.entries_max);
        if let Some((offset, reason)) = contents.broken
            && is_whole
        {
            self.tell(path, Seen::malformed(offset, reason));
        }
        for (offset, message) in contents.oddities {
            let seen = Seen::new(offset, code::AMBIGUOUS_ARCHIVE, Severity::High, message);
            self.tell(path, seen);
        }
        if contents.is_cut {
            let message = "it has more entries than are looked at";
            self.tell(path, Seen::new(0, code::LIMIT, Severity::High, message));
        }
        for entry in contents.entries {
            let inner = self.inner(path, &entry.name);
            let body = part.part(entry.start, entry.packed);
            if entry.is_encrypted {
                let message = "the entry is encrypted";
                self.tell(
                    &inner,
                    Seen::new(0, code::UNSCANNABLE, Severity::High, message),
                );
                // Loaders differ in whether they believe that mark: it may be a lie.
            }
            match (entry.method, Method::of_zip(entry.method, entry.size)) {
                (0, _) => drop(self.part(&inner, body, depth + 1)),
                (_, Some(method)) => self.compressed(&inner, body, method, depth),
                (method, None) => {
                    let message = format!("compression method {method} is not opened");
                    self.tell(
                        &inner,
                        Seen::new(0, code::UNSCANNABLE, Severity::High, message),
                    );
                }
            }
        }
    }

    pub(super) fn inner(&mut self, path: &str, name: &str) -> String {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
        let inner = format!("{path}!{shown}");
        if formats::onnx::leaves_its_folder(name) {
            let message = "the entry's name leads out of its folder";
            self.tell(
                &inner,
                Seen::new(0, code::PATH_ESCAPE, Severity::High, message),
            );
        }
        inner
    }

    pub(super) fn may_open(&mut self, path: &str, depth: u8) -> bool {
        if depth < self.scanner.limits.depth_max {
            return true;
        }
        let message = "archives are nested too deeply";
        self.tell(path, Seen::new(0, code::LIMIT, Severity::High, message));
        false
    }

    pub(super) fn tar(&mut self, path: &str, part: Part<'_>, depth: u8) {
        if !self.may_open(path, depth) {
            return;
        }
        let (entries, broken) = tar::entries(part, self.scanner.limits.entries_max);
        if let Some((offset, reason)) = broken {
            self.tell(path, Seen::malformed(offset, reason));
        }
        for entry in entries {
            let inner = self.inner(path, &entry.name);
            if let Some(link) = entry.link {
                if formats::onnx::leaves_its_folder(&link) {
                    let message = "a link leads out of its folder";
                    self.tell(
                        &inner,
                        Seen::new(0, code::PATH_ESCAPE, Severity::High, message),
                    );
                }
                continue;
            }
            self.part(&inner, part.part(entry.start, entry.length), depth + 1);
        }
    }

    /// What lies behind the end of something else, and is an archive to those who look at the end.
    pub(super) fn appended(&mut self, path: &str, part: Part<'_>, format: Format, depth: u8) {
        let Some(start) = zip::appended(part) else {
            return;
        };
        // An archive may be the last entry of another, and is looked at there.
        if format != Format::Tar {
            let message = format!("a zip lies behind the bytes of a {} file", format.name());
            let seen = Seen::new(start, code::AMBIGUOUS_ARCHIVE, Severity::High, message);
            self.tell(path, seen);
        }
        if self.may_open(path, depth) {
            self.entries(path, part.part(start, part.length()), depth, false);
        }
    }

    /// `ZF`, the length in hexadecimal filled up to 19 letters, and zlib; Python 2 wrote a letter
    /// more.
    pub(super) fn old_joblib(&mut self, path: &str, part: Part<'_>, depth: u8) {
        let head = part.bytes(0, 24).unwrap_or_default();
        let is_zlib = |at: &usize| {
            let bytes = head.get(*at..*at + 2).unwrap_or_default();
            bytes.first() == Some(&0x78)
        };
        match [21, 22].iter().find(|at| is_zlib(at)) {
            Some(at) => {
                let stream = part.part(*at as u64, part.length());
                self.compressed(path, stream, Method::Zlib, depth);
            }
            None => self.tell(path, Seen::malformed(0, "its compressed part is missing")),
        }
    }

    pub(super) fn compressed(&mut self, path: &str, part: Part<'_>, method: Method, depth: u8) {
        if !self.may_open(path, depth) {
            return;
        }
        let limits = self.scanner.limits;
        let left = limits.inflated_bytes_max.saturating_sub(self.inflated);
        let bytes_max = limits.entry_bytes_max.min(left);
        let bytes = match inflate(part, method, bytes_max) {
            Inflated::Whole(bytes) => bytes,
            Inflated::TooMuch(bytes) => {
                let message =
                    format!("it holds more than {bytes_max} bytes; the rest was not looked at");
                self.tell(path, Seen::new(0, code::LIMIT, Severity::High, message));
                bytes
            }
            Inflated::Broken(bytes, reason) => {
                self.tell(
                    path,
                    Seen::malformed(0, format!("it cannot be decompressed: {reason}")),
                );
                // Two bytes are a weak sign: a pickle of protocol 0 may begin with them.
                let name = path.rsplit(['!', '/', '\\']).next().unwrap_or(path);
                self.pickles(path, part, 0, Format::is_pickle_name(name));
                bytes
            }
        };
        self.inflated = self.inflated.saturating_add(bytes.len() as u64);
        let bytes = Bytes(bytes);
        self.part(path, Part::whole(&bytes), depth + 1);
    }
}
