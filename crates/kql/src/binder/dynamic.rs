//! The text inside of `dynamic(…)` as JSON: strings in either quotes, typed literals inside.

use super::literal::{datetime_text, datetime_ticks};

/// Deepest nesting.
const DEPTH_MAX: usize = 128;
/// Types whose literals may stand inside.
const TYPED: [&str; 12] = [
    "dynamic", "datetime", "date", "timespan", "time", "guid", "long", "int", "real", "double",
    "decimal", "bool",
];

/// JSON of the same meaning; where the text stops being a dynamic literal if it does.
pub(super) fn to_json(raw: &str) -> Result<String, usize> {
    let mut reader = Reader {
        rest: raw,
        out: String::with_capacity(raw.len()),
    };
    let is_value = reader.value(0).is_some();
    if is_value && reader.peek().is_none() {
        return Ok(reader.out);
    }
    reader.peek();
    Err(raw.len() - reader.rest.len())
}

struct Reader<'s> {
    rest: &'s str,
    out: String,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        while self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.rest = self.rest[end..].trim_start();
        }
        self.rest.chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let is = self.peek() == Some(wanted);
        if is {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        is
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth == DEPTH_MAX {
            return None;
        }
        match self.peek()? {
            '{' => self.items('{', '}', depth),
            '[' => self.items('[', ']', depth),
            '"' | '\'' | '@' => self.string(),
            c if c.is_ascii_alphabetic() => self.word(depth),
            c if c.is_ascii_digit() || c == '-' || c == '+' => self.number(),
            _ => None,
        }
    }

    fn items(&mut self, open: char, close: char, depth: usize) -> Option<()> {
        self.eat(open);
        self.out.push(open);
        if self.eat(close) {
            self.out.push(close);
            return Some(());
        }
        loop {
            if open == '{' {
                self.string()?;
                if !self.eat(':') {
                    return None;
                }
                self.out.push(':');
            }
            self.value(depth + 1)?;
            if self.eat(close) {
                self.out.push(close);
                return Some(());
            }
            // Kusto forgives a missing comma between strings of an array.
            let forgiven = open == '[' && matches!(self.peek(), Some('"' | '\''));
            if !self.eat(',') && !forgiven {
                return None;
            }
            self.out.push(',');
        }
    }

    fn string(&mut self) -> Option<()> {
        let verbatim = self.eat('@');
        let quote = self.peek().filter(|c| matches!(c, '"' | '\''))?;
        let mut characters = self.rest.char_indices().skip(1).peekable();
        self.out.push('"');
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' if verbatim => self.out.push_str("\\\\"),
                '\\' => match characters.next()?.1 {
                    '\'' => self.out.push('\''),
                    escaped => self.out.extend(['\\', escaped]),
                },
                c if c == quote && verbatim && characters.peek().is_some_and(|p| p.1 == quote) => {
                    characters.next();
                    self.character(quote);
                }
                c if c == quote => {
                    self.out.push('"');
                    self.rest = &self.rest[at + 1..];
                    return Some(());
                }
                c => self.character(c),
            }
        }
        None
    }

    fn character(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            c if c < ' ' => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => self.out.push(c),
        }
    }

    fn number(&mut self) -> Option<()> {
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let text = self.rest[..end].trim_start_matches('+');
        text.parse::<f64>().ok()?;
        self.out.push_str(text);
        self.rest = &self.rest[end..];
        Some(())
    }

    fn word(&mut self, depth: usize) -> Option<()> {
        let is_part = |c: char| c.is_ascii_alphanumeric();
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let at = std::mem::replace(&mut self.rest, rest);
        match word.to_ascii_lowercase().as_str() {
            known @ ("true" | "false" | "null") => self.out.push_str(known),
            ty if TYPED.contains(&ty) && self.eat('(') => self.typed(ty, depth)?,
            _ => {
                self.rest = at;
                return None;
            }
        }
        Some(())
    }

    /// What stands in the parentheses of a typed literal.
    fn typed(&mut self, ty: &str, depth: usize) -> Option<()> {
        if matches!(ty, "datetime" | "date" | "timespan" | "time" | "guid") {
            let (text, rest) = self.rest.split_once(')')?;
            let text = text.trim().trim_matches(['"', '\'']);
            self.rest = rest;
            let date = matches!(ty, "datetime" | "date").then(|| datetime_ticks(text));
            let date = date.flatten().map(datetime_text);
            let text = date.as_deref().unwrap_or(text);
            self.out.push('"');
            text.chars().for_each(|c| self.character(c));
            self.out.push('"');
            return Some(());
        }
        self.value(depth + 1)?;
        self.eat(')').then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::to_json;

    #[test]
    fn literals_become_json() {
        for (raw, json) in [
            (
                "{'a': 1, \"b\": [true, null]}",
                r#"{"a":1,"b":[true,null]}"#,
            ),
            ("'it\\'s \"x\"'", r#""it's \"x\"""#),
            ("[dynamic({'a':1}), long(2)]", r#"[{"a":1},2]"#),
            ("@'C:\\x'", r#""C:\\x""#),
            (
                "[datetime(2024-02-29 12:00)]",
                r#"["2024-02-29T12:00:00.0000000Z"]"#,
            ),
        ] {
            assert_eq!(to_json(raw).as_deref(), Ok(json), "{raw}");
        }
        for (raw, place) in [
            ("{a", 1),
            ("['a', 'b'", 9),
            ("['a', , 'b']", 6),
            ("[1, Port]", 4),
            ("{'a' 1}", 5),
        ] {
            assert_eq!(to_json(raw), Err(place), "{raw}");
        }
        assert!(to_json(&"[".repeat(10_000)).is_err());
    }
}
