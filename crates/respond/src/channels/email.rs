//! A message as an e-mail (RFC 5322), in plain text.
//!
//! Headers are built from facts, and facts come from callers: line breaks are taken out, and what
//! is not ASCII is encoded (RFC 2047), so that no fact can add a header.

use base64::Engine as _;

use super::Message;

/// An e-mail, ready to be handed to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) text: String,
}

pub(super) fn mail(from: &str, to: &[String], message: &Message) -> Mail {
    let domain = from
        .rsplit_once('@')
        .map_or("localhost", |(_, domain)| domain.trim_end_matches('>'));
    // The same for every attempt: a mail server or reader can see that it is a repetition.
    let id: String = message
        .key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '.' })
        .collect();
    let subject = format!("[{}] {}", message.severity, message.title);
    let body = base64::engine::general_purpose::STANDARD.encode(message.plain());
    let mut text = format!(
        "From: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: <{id}@{}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\
         Auto-Submitted: auto-generated\r\n\r\n",
        one_line(from),
        one_line(&to.join(", ")),
        encoded(&subject),
        one_line(domain),
    );
    for line in body.as_bytes().chunks(76) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push_str("\r\n");
    }
    Mail {
        from: one_line(from),
        to: to.iter().map(|address| one_line(address)).collect(),
        text,
    }
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// A header's text as encoded words of at most 75 characters (RFC 2047).
fn encoded(text: &str) -> String {
    const BYTES_MAX: usize = 42;
    let text = one_line(text);
    if text.is_ascii() && text.len() < 900 {
        return text;
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if word.len() + c.len_utf8() > BYTES_MAX {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let encode = |word: &String| base64::engine::general_purpose::STANDARD.encode(word);
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", encode(word)))
        .collect();
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::{Message, mail};

    #[test]
    fn a_callers_name_cannot_add_a_header() {
        let message = Message {
            key: "run/step".into(),
            title: "x\r\nBcc: everybody@example.com".into(),
            ..Message::default()
        };
        let mail = mail("soc@example.com", &["a@example.com".into()], &message);
        let (head, _) = mail.text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("Message-ID: <run.step@example.com>"));
    }

    #[test]
    fn long_and_foreign_subjects_are_encoded() {
        let encoded = super::encoded(&"überwacht ".repeat(20));
        assert!(
            encoded.lines().all(|line| line.trim().len() <= 75),
            "{encoded}"
        );
    }
}
