//! Pickles: those that a loader would read, those that lie behind other data, and what their
//! opcodes would do.

use std::collections::BTreeSet;

use atalaya_model::Severity;

use super::Scan;
use crate::allow::Standing;
use crate::formats::Seen;
use crate::pickle::{self, Event, Malformed, Walker};
use crate::report::code;
use crate::source::{Cursor, Part};

/// Values on a pickle's stack, in its memo, and globals that it names.
const VALUES_MAX: usize = 10_000_000;
/// Pickles in one stream.
const PICKLES_MAX: usize = 10_000;
/// Places behind a pickle at which another may begin that are tried.
const TRIES_MAX: usize = 1_000_000;
/// First number of files in PyTorch's old format: 0x1950a86a20f9469cfc6c.
const TORCH_LEGACY: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

impl Scan<'_> {
    /// The pickles of a stream, one after the other, and what lies behind them. A stream that is
    /// not known to be one (`is_sure`) is only told of if it names globals.
    pub(super) fn pickles(&mut self, path: &str, part: Part<'_>, start: u64, is_sure: bool) {
        let limits = self.pickle_limits();
        let mut cursor = Cursor::new(part, start);
        let mut is_legacy = false;
        for number in 0..PICKLES_MAX {
            let from = cursor.offset();
            let mut walker = Walker::new(&mut cursor, limits);
            let ended = walker.walk();
            let mut events = std::mem::take(&mut walker.events);
            if walker.has_passed_over() {
                events.extend(Self::passed_over(part, from, limits));
            }
            let first_long = walker.first_long.take();
            let is_empty = walker.opcodes() == 0;
            is_legacy |= number == 0 && first_long.as_deref() == Some(&TORCH_LEGACY);
            let names_something = !events.is_empty();
            // Behind a whole pickle there may be data: then it is searched, not believed.
            if let Err(malformed) = &ended
                && number > 0
            {
                self.events(path, events);
                if !is_sure && !self.names_globals(path) {
                    return;
                }
                return self.behind(path, part, (from, is_legacy), malformed, limits);
            }
            if number == 0 && !is_sure && (ended.is_err() || is_empty) && !names_something {
                return;
            }
            self.events(path, events);
            if let Err(malformed) = ended {
                if is_sure || names_something {
                    self.malformed(path, &malformed);
                }
                return self.search(path, part, from + 1, limits);
            }
            if cursor.is_at_end() {
                return;
            }
        }
        let message = "it holds more pickles than are looked at";
        self.tell(
            path,
            Seen::new(cursor.offset(), code::LIMIT, Severity::High, message),
        );
    }

    /// Whether something was said about globals of that part.
    fn names_globals(&self, path: &str) -> bool {
        let about = |code| {
            [
                code::DANGEROUS_GLOBAL,
                code::UNLISTED_GLOBAL,
                code::UNRESOLVED_GLOBAL,
            ]
            .contains(&code)
        };
        let mut findings = self.report.findings.iter();
        findings.any(|finding| finding.path == path && about(finding.code))
    }

    /// What a loader would find that does not know joblib's arrays: to it, the bytes that were
    /// passed over are opcodes. Numbers seldom read as the name of something.
    fn passed_over(part: Part<'_>, from: u64, limits: pickle::Limits) -> Vec<(u64, Event)> {
        let mut cursor = Cursor::new(part, from);
        let mut walker = Walker::new(&mut cursor, limits).without_arrays();
        drop(walker.walk());
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_alphanumeric() || "_.".contains(c))
        };
        let mut events = std::mem::take(&mut walker.events);
        events.retain(|(_, event)| match event {
            Event::Global { module, name } => is_name(module) && is_name(name),
            Event::Unresolved(_) => false,
        });
        events
    }

    /// A file of another format that is a pickle as well, for whoever unpickles it.
    pub(super) fn disguised(&mut self, path: &str, part: Part<'_>) {
        let mut cursor = Cursor::new(part, 0);
        let mut walker = Walker::new(&mut cursor, self.pickle_limits());
        drop(walker.walk());
        let events = std::mem::take(&mut walker.events);
        self.events(path, events);
    }

    pub(super) const fn pickle_limits(&self) -> pickle::Limits {
        pickle::Limits {
            opcodes_max: self.scanner.limits.opcodes_max,
            values_max: VALUES_MAX,
        }
    }

    pub(super) fn malformed(&mut self, path: &str, malformed: &Malformed) {
        let code = if malformed.is_limit {
            code::LIMIT
        } else {
            code::MALFORMED
        };
        let message = format!("the pickle breaks off: {}", malformed.reason);
        self.tell(
            path,
            Seen::new(malformed.offset, code, Severity::High, message),
        );
    }

    /// What lies behind the last whole pickle.
    pub(super) fn behind(
        &mut self,
        path: &str,
        part: Part<'_>,
        (from, is_legacy): (u64, bool),
        malformed: &Malformed,
        limits: pickle::Limits,
    ) {
        if malformed.is_limit {
            self.malformed(path, malformed);
        }
        if !is_legacy {
            let bytes = part.length().saturating_sub(from);
            let message = format!("{bytes} bytes behind the end of the pickle are none");
            self.tell(
                path,
                Seen::new(from, code::TRAILING_DATA, Severity::Medium, message),
            );
        }
        self.search(path, part, from, limits);
    }

    /// Looks for pickles that begin anywhere in a stretch of bytes, by the header of protocols 2
    /// to 5 and by the opcodes that name globals.
    pub(super) fn search(&mut self, path: &str, part: Part<'_>, from: u64, limits: pickle::Limits) {
        const STEP: usize = 1 << 20;
        let (mut at, mut tries, mut opcodes) = (from, 0, 0);
        while at < part.length() {
            let Ok(bytes) = part.bytes(at, STEP + 2) else {
                return;
            };
            for (offset, window) in bytes.windows(3).enumerate().take(STEP) {
                if !matches!(window, [0x80, 2..=5, next] if pickle::is_opcode(*next)) {
                    continue;
                }
                tries += 1;
                if tries > TRIES_MAX || opcodes > limits.opcodes_max {
                    let message = "pickles may begin in more places than are looked at";
                    let place = at + offset as u64;
                    let seen = Seen::new(place, code::LIMIT, Severity::High, message);
                    return self.tell(path, seen);
                }
                let mut cursor = Cursor::new(part, at + offset as u64);
                let mut walker = Walker::new(&mut cursor, limits);
                let ended = walker.walk();
                opcodes += walker.opcodes();
                let events = std::mem::take(&mut walker.events);
                let runs_code = |(_, event): &(u64, Event)| match event {
                    Event::Global { module, name } => {
                        self.scanner.allow.standing(module, name) == Standing::Dangerous
                    }
                    Event::Unresolved(_) => false,
                };
                // A pickle that breaks off has run what it named before.
                if ended.is_ok() && !events.is_empty() || events.iter().any(runs_code) {
                    self.events(path, events);
                }
            }
            at += STEP as u64;
        }
    }

    pub(super) fn events(&mut self, path: &str, events: Vec<(u64, Event)>) {
        let mut told = BTreeSet::new();
        for (offset, event) in events {
            let (code, severity, message) = match event {
                Event::Unresolved(what) => {
                    (code::UNRESOLVED_GLOBAL, Severity::High, what.to_owned())
                }
                Event::Global { module, name } => {
                    let show = |text: &str| -> String {
                        text.chars().filter(|c| !c.is_control()).take(120).collect()
                    };
                    let global = format!("{}.{}", show(&module), show(&name));
                    if self.globals.len() < self.scanner.limits.entries_max {
                        self.globals.insert(global.clone());
                    }
                    match self.scanner.allow.standing(&module, &name) {
                        Standing::Allowed => continue,
                        Standing::Unlisted => (
                            code::UNLISTED_GLOBAL,
                            Severity::High,
                            format!("{global} is not on the allow-list"),
                        ),
                        Standing::Dangerous => (
                            code::DANGEROUS_GLOBAL,
                            Severity::Critical,
                            format!("{global} runs code, or finds what does"),
                        ),
                    }
                }
            };
            if told.insert((code, message.clone())) {
                self.tell(path, Seen::new(offset, code, severity, message));
            }
        }
    }
}
