//! One pickle from its first opcode to STOP: which globals it names, and what is odd about it.
//!
//! The stack is followed as far as needed. Where it is not known what a name is (it was computed,
//! escaped, or too long), the name is reported as unresolved: never passed over. Every global that
//! a pickle can reach is named by GLOBAL, INST, STACK_GLOBAL or EXT, so watching these is enough;
//! calls of anything but a named global are reported besides.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use super::opcodes::{Argument, argument};
use super::value::Value;
use crate::source::Cursor;

/// Longest text that may be part of a name, bytes.
const NAME_BYTES_MAX: usize = 1_024;
/// How deep arrays of objects are followed.
const DEPTH_MAX: u8 = 8;
/// Longest line of protocol 0, bytes.
const LINE_BYTES_MAX: usize = 16 << 20;

/// How far a pickle is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Opcodes.
    pub(crate) opcodes_max: u64,
    /// Values on the stack, and values in the memo.
    pub(crate) values_max: usize,
}

/// Something that a pickle does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It names a global.
    Global { module: String, name: String },
    /// It names a global that is not known before it is run.
    Unresolved(&'static str),
}

/// Why a pickle could not be followed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) offset: u64,
    pub(crate) reason: String,
    /// A limit of ours, not a mistake of the pickle's.
    pub(crate) is_limit: bool,
}

/// See the module.
pub(crate) struct Walker<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    limits: Limits,
    stack: Vec<Value>,
    memo: HashMap<u64, Value>,
    at: u64,
    /// What was seen, with the places of the opcodes.
    pub(crate) events: Vec<(u64, Event)>,
    /// Values that are pushed for constants, to recognise PyTorch's old format.
    pub(crate) first_long: Option<Vec<u8>>,
    opcodes: u64,
    depth: u8,
    /// Whether joblib's arrays are passed over, and whether any was.
    passes_arrays: bool,
    has_passed_over: bool,
}

type Step = Result<bool, Malformed>;

impl<'c, 'a> Walker<'c, 'a> {
    pub(crate) fn new(cursor: &'c mut Cursor<'a>, limits: Limits) -> Self {
        Self {
            at: cursor.offset(),
            cursor,
            limits,
            stack: Vec::new(),
            memo: HashMap::new(),
            events: Vec::new(),
            first_long: None,
            opcodes: 0,
            depth: 0,
            passes_arrays: true,
            has_passed_over: false,
        }
    }

    /// Reads as a loader does that does not know joblib.
    pub(crate) const fn without_arrays(mut self) -> Self {
        self.passes_arrays = false;
        self
    }

    /// Whether bytes were passed over that are no opcodes to other loaders than joblib's.
    pub(crate) const fn has_passed_over(&self) -> bool {
        self.has_passed_over
    }

    /// Walks to STOP.
    pub(crate) fn walk(&mut self) -> Result<(), Malformed> {
        while !self.step()? {
            self.opcodes += 1;
            let is_too_much = self.opcodes > self.limits.opcodes_max
                || self.stack.len() > self.limits.values_max
                || self.memo.len() > self.limits.values_max
                || self.events.len() > self.limits.values_max;
            if is_too_much {
                return Err(self.limit("it has more opcodes or values than are followed"));
            }
        }
        Ok(())
    }

    pub(crate) const fn opcodes(&self) -> u64 {
        self.opcodes
    }

    fn wrong(&self, reason: impl Into<String>) -> Malformed {
        Malformed {
            offset: self.at,
            reason: reason.into(),
            is_limit: false,
        }
    }

    fn limit(&self, reason: &str) -> Malformed {
        Malformed {
            is_limit: true,
            ..self.wrong(reason)
        }
    }

    fn unread(&self, error: &io::Error) -> Malformed {
        self.wrong(format!("it cannot be read: {error}"))
    }

    fn cut(&self) -> Malformed {
        self.wrong("it ends in the middle of an opcode")
    }

    /// One opcode; true for STOP.
    fn step(&mut self) -> Step {
        self.at = self.cursor.offset();
        let byte = self.cursor.byte().map_err(|error| self.unread(&error))?;
        let opcode = byte.ok_or_else(|| self.wrong("it ends without STOP"))?;
        let kind =
            argument(opcode).ok_or_else(|| self.wrong(format!("0x{opcode:02x} is no opcode")))?;
        match kind {
            Argument::None => self.plain(opcode),
            Argument::Fixed(count) => {
                let bytes = self.take(count)?;
                self.fixed(opcode, &bytes)
            }
            Argument::Counted(count) => {
                let length = little_endian(&self.take(count)?);
                self.counted(opcode, length)
            }
            Argument::Line => {
                let line = self.line()?;
                self.lined(opcode, &line)
            }
            Argument::Lines => {
                let (module, name) = (self.line()?, self.line()?);
                let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
                let global = match (text(module), text(name)) {
                    (Some(module), Some(name)) => self.named(module, name),
                    _ => self.unresolved("a global whose name is not UTF-8"),
                };
                if opcode == b'i' {
                    self.pop_mark()?;
                    self.stack.push(Value::call(global, Value::Other));
                } else {
                    self.stack.push(global);
                }
                Ok(false)
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>, Malformed> {
        let taken = self
            .cursor
            .take(count)
            .map_err(|error| self.unread(&error))?;
        taken.ok_or_else(|| self.cut())
    }

    fn line(&mut self) -> Result<Vec<u8>, Malformed> {
        let line = self
            .cursor
            .line(LINE_BYTES_MAX)
            .map_err(|error| self.unread(&error))?;
        line.ok_or_else(|| self.cut())
    }

    fn named(&mut self, module: String, name: String) -> Value {
        let global = Rc::new((module.clone(), name.clone()));
        self.events.push((self.at, Event::Global { module, name }));
        Value::Global(global)
    }

    fn unresolved(&mut self, what: &'static str) -> Value {
        self.events.push((self.at, Event::Unresolved(what)));
        Value::Other
    }

    fn pop(&mut self) -> Result<Value, Malformed> {
        let value = self.stack.pop();
        value.ok_or_else(|| self.wrong("it takes more values than it has"))
    }

    /// Everything above the last mark.
    fn pop_mark(&mut self) -> Result<Vec<Value>, Malformed> {
        let mark = self
            .stack
            .iter()
            .rposition(|value| matches!(value, Value::Mark));
        let mark = mark.ok_or_else(|| self.wrong("it takes a mark that it has not set"))?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn plain(&mut self, opcode: u8) -> Step {
        match opcode {
            b'.' => {
                self.pop()?;
                return Ok(true);
            }
            b'(' => self.stack.push(Value::Mark),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top.clone(), top]);
            }
            b'N' | b']' | 0x88 | 0x89 | 0x8f | 0x97 => self.stack.push(Value::Other),
            b'}' => self.stack.push(Value::dict()),
            b')' => self.stack.push(Value::tuple(Vec::new())),
            b'Q' | 0x98 => {
                self.pop()?;
                self.stack.push(Value::Other);
            }
            b'R' | 0x81 => self.call(1)?,
            0x92 => self.call(2)?,
            b'a' => drop(self.pop()?),
            b'b' => self.build()?,
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                if let Some(target) = self.stack.last() {
                    target.put(&key, value);
                }
            }
            b'u' => {
                let items = self.pop_mark()?;
                if let Some(target) = self.stack.last() {
                    for pair in items.chunks_exact(2) {
                        target.put(&pair[0], pair[1].clone());
                    }
                }
            }
            b'e' | 0x90 => drop(self.pop_mark()?),
            b'd' | b'l' | 0x91 => {
                self.pop_mark()?;
                self.stack.push(Value::Other);
            }
            b't' => {
                let items = self.pop_mark()?;
                self.stack.push(Value::tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let from = self.stack.len().checked_sub(count);
                let from = from.ok_or_else(|| self.wrong("it takes more values than it has"))?;
                let items = self.stack.split_off(from);
                self.stack.push(Value::tuple(items));
            }
            b'o' => {
                let items = self.pop_mark()?;
                let callee = items.first().cloned().unwrap_or(Value::Other);
                self.called(&callee);
                self.stack.push(Value::call(callee, Value::Other));
            }
            0x93 => self.stack_global()?,
            0x94 => {
                let top = self.stack.last().cloned();
                let top = top.ok_or_else(|| self.wrong("it remembers a value that it has not"))?;
                self.memo.insert(self.memo.len() as u64, top);
            }
            _ => return Err(self.wrong(format!("0x{opcode:02x} is no opcode"))),
        }
        Ok(false)
    }

    fn stack_global(&mut self) -> Result<(), Malformed> {
        let (name, module) = (self.pop()?, self.pop()?);
        let global = match (module, name) {
            (Value::Text(module), Value::Text(name)) => {
                self.named(module.to_string(), name.to_string())
            }
            _ => self.unresolved("a global whose name is computed, escaped or too long"),
        };
        self.stack.push(global);
        Ok(())
    }

    fn call(&mut self, arguments: usize) -> Result<(), Malformed> {
        let mut last = Value::Other;
        for _ in 0..arguments {
            last = self.pop()?;
        }
        let callee = self.pop()?;
        self.called(&callee);
        self.stack.push(Value::call(callee, last));
        Ok(())
    }

    /// A call of something that is no global: found by calling, so nobody knows what it is.
    fn called(&mut self, callee: &Value) {
        if !callee.is_global() {
            self.unresolved("a call of something that was computed");
        }
    }

    /// BUILD; behind that of joblib's wrapper lies the array itself.
    fn build(&mut self) -> Result<(), Malformed> {
        let state = self.pop()?;
        let target = self.stack.last();
        let is_array = target
            .is_some_and(|target| target.is_made_by("joblib.numpy_pickle", "NumpyArrayWrapper"));
        if is_array && self.passes_arrays {
            self.has_passed_over = true;
            self.array(&state)?;
        }
        Ok(())
    }

    fn array(&mut self, state: &Value) -> Result<(), Malformed> {
        let unknown = "an array of joblib whose size is not told";
        let Some((items, item_bytes)) = array_size(state) else {
            return Err(self.wrong(unknown));
        };
        if let Some(Value::Int(_)) = state.entry("numpy_array_alignment_bytes") {
            let padding = u64::from(self.take(1)?[0]);
            if !self.cursor.skip(padding) {
                return Err(self.cut());
            }
        }
        let Some(item_bytes) = item_bytes else {
            // An array of objects is a pickle of its own.
            if self.depth >= DEPTH_MAX {
                return Err(self.limit("arrays of objects are nested too deeply"));
            }
            let depth = self.depth + 1;
            let mut inner = Walker::new(self.cursor, self.limits);
            (inner.opcodes, inner.depth) = (self.opcodes, depth);
            let ended = inner.walk();
            self.opcodes = inner.opcodes;
            let events = std::mem::take(&mut inner.events);
            self.events.extend(events);
            return ended;
        };
        let bytes = items
            .checked_mul(item_bytes)
            .ok_or_else(|| self.wrong(unknown))?;
        if self.cursor.skip(bytes) {
            Ok(())
        } else {
            Err(self.wrong("an array of joblib is cut off"))
        }
    }

    fn fixed(&mut self, opcode: u8, bytes: &[u8]) -> Step {
        let number = little_endian(bytes);
        match opcode {
            b'K' | b'M' => self.stack.push(Value::Int(number as i64)),
            b'J' => self.stack.push(Value::Int(i64::from(number as u32 as i32))),
            b'G' => self.stack.push(Value::Other),
            b'h' | b'j' => self.get(number)?,
            b'q' | b'r' => self.put(number)?,
            0x80 if number > 5 => {
                return Err(self.wrong(format!("protocol {number} is not known")));
            }
            0x82..=0x84 => {
                let value = self.unresolved("a global by its number in the extension registry");
                self.stack.push(value);
            }
            _ => {}
        }
        Ok(false)
    }

    fn get(&mut self, key: u64) -> Result<(), Malformed> {
        let value = self.memo.get(&key).cloned();
        let value =
            value.ok_or_else(|| self.wrong("it recalls a value that it never remembered"))?;
        self.stack.push(value);
        Ok(())
    }

    fn put(&mut self, key: u64) -> Result<(), Malformed> {
        let top = self.stack.last().cloned();
        let top = top.ok_or_else(|| self.wrong("it remembers a value that it has not"))?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn counted(&mut self, opcode: u8, length: u64) -> Step {
        let is_text = matches!(opcode, b'X' | 0x8c | 0x8d | b'T' | b'U');
        if opcode == 0x8a && self.first_long.is_none() && length <= 16 {
            let bytes = self.take(length as usize)?;
            self.first_long = Some(bytes);
            self.stack.push(Value::Other);
            return Ok(false);
        }
        if is_text && length <= NAME_BYTES_MAX as u64 {
            let bytes = self.take(length as usize)?;
            let text = String::from_utf8(bytes).ok();
            self.stack
                .push(text.map_or(Value::Other, |text| Value::Text(text.into())));
            return Ok(false);
        }
        if !self.cursor.skip(length) {
            return Err(self.wrong("a text or bytes reach past the end"));
        }
        self.stack.push(Value::Other);
        Ok(false)
    }

    fn lined(&mut self, opcode: u8, line: &[u8]) -> Step {
        let text = std::str::from_utf8(line).ok();
        match opcode {
            b'g' | b'p' => {
                let key = text.and_then(|text| text.trim().parse().ok());
                let key =
                    key.ok_or_else(|| self.wrong("the key of a remembered value is no number"))?;
                if opcode == b'g' {
                    self.get(key)?;
                } else {
                    self.put(key)?;
                }
            }
            b'I' | b'L' => {
                let digits = text.map(|text| text.trim().trim_end_matches('L'));
                let number = digits.and_then(|text| text.parse().ok());
                self.stack.push(number.map_or(Value::Other, Value::Int));
            }
            b'S' | b'V' => {
                let text = text.map(|text| match opcode {
                    b'S' => text.trim_end().trim_matches(['"', '\'']),
                    _ => text,
                });
                // An escape may spell any letter: what it says is not known here.
                let text = text.filter(|text| !text.contains('\\') && text.len() <= NAME_BYTES_MAX);
                self.stack
                    .push(text.map_or(Value::Other, |text| Value::Text(text.into())));
            }
            _ => self.stack.push(Value::Other),
        }
        Ok(false)
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Items of a joblib array, and bytes per item; no bytes for arrays of objects.
fn array_size(state: &Value) -> Option<(u64, Option<u64>)> {
    let Some(Value::Tuple(shape, _)) = state.entry("shape") else {
        return None;
    };
    let mut items = 1_u64;
    for length in shape.iter() {
        let Value::Int(length) = length else {
            return None;
        };
        items = items.checked_mul(u64::try_from(*length).ok()?)?;
    }
    let Some(Value::Call(dtype, _)) = state.entry("dtype") else {
        return None;
    };
    let Value::Tuple(arguments, _) = &dtype.1 else {
        return None;
    };
    let Some(Value::Text(name)) = arguments.first() else {
        return None;
    };
    let name = name.trim_start_matches(['<', '>', '=', '|']);
    let (kind, digits) = name.split_at_checked(1)?;
    match kind {
        "O" => Some((items, None)),
        "U" => Some((items, Some(digits.parse::<u64>().ok()?.checked_mul(4)?))),
        "f" | "i" | "u" | "b" | "c" | "S" | "V" | "m" | "M" => {
            let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
            Some((items, Some(digits.parse().ok()?)))
        }
        _ => None,
    }
}
