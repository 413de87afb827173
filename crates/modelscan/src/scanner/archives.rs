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
        let contents = zip::contents(part, self.scanner.limits.entries_max);
        if let Some((offset, reason)) = contents.broken {
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
                continue;
            }
            match entry.method {
                0 => drop(self.part(&inner, body, depth + 1)),
                8 => self.compressed(&inner, body, Method::Deflate, depth),
                method => {
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
