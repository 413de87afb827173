//! Chat templates: Jinja that formats a conversation, and nothing more.
//!
//! A template runs in a sandbox when it is rendered by those who know, and with the rights of the
//! process by others. What reaches into objects, imports or includes is told; so is a template that
//! puts words of its own into the conversation depending on what was said, which is where a
//! backdoor in a template lives.

use atalaya_model::Severity;

use super::Seen;
use crate::report::code;

/// Names that a template has no business with.
const REACHING: &[&str] = &[
    "__",
    "attr(",
    "|attr",
    "| attr",
    "getattr",
    "import ",
    "include ",
    "extends ",
    "lipsum",
    "cycler",
    "joiner",
    "self.",
    "os.",
    "popen",
    "subprocess",
    "builtins",
    "globals",
    "request.",
    "config.",
    "eval(",
    "exec(",
    "open(",
    "|map(attribute",
    "mro()",
    "subclasses",
    "\\x5f",
    "\\u005f",
];

/// What is odd about a template.
pub(crate) fn check(text: &str) -> Vec<Seen> {
    let mut seen = Vec::new();
    for (start, block) in blocks(text) {
        for name in REACHING {
            if let Some(at) = block.find(name) {
                // A namespace's own loop variables and string escapes of the output are harmless.
                let message = format!("the template reaches for `{}`", name.trim());
                seen.push(Seen::new(
                    (start + at) as u64,
                    code::SUSPICIOUS_TEMPLATE,
                    Severity::High,
                    message,
                ));
                break;
            }
        }
        let is_condition = ["if ", "elif "]
            .iter()
            .any(|word| block.trim_start_matches(['-', ' ']).starts_with(word));
        let looks_inside =
            block.contains("in message") || block.contains("' in ") || block.contains("\" in ");
        let content = block.contains("content")
            && looks_inside
            && !block.contains("</think>")
            && !block.contains("is string");
        if is_condition && content {
            let message = "the template depends on words in what was said";
            seen.push(Seen::new(
                start as u64,
                code::SUSPICIOUS_TEMPLATE,
                Severity::Medium,
                message,
            ));
        }
    }
    if text.contains("http://") || text.contains("https://") {
        let message = "the template holds an address";
        seen.push(Seen::new(
            0,
            code::SUSPICIOUS_TEMPLATE,
            Severity::Low,
            message,
        ));
    }
    seen
}

/// The statements and expressions of a template, with their places.
fn blocks(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find('{')) {
        let start = at + open;
        let close = match text.as_bytes().get(start + 1) {
            Some(b'%') => "%}",
            Some(b'{') => "}}",
            _ => {
                at = start + 1;
                continue;
            }
        };
        let body = start + 2;
        let rest = text.get(body..).unwrap_or_default();
        let length = rest.find(close).unwrap_or(rest.len());
        found.push((body, &rest[..length]));
        at = body + length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn ordinary_templates_pass_and_escapes_do_not() {
        let plain = "{% for message in messages %}{% if message['role'] == 'user' %}<|user|>{{ message['content'] | trim }}{% elif loop.last and add_generation_prompt %}<|assistant|>{% endif %}{% endfor %}";
        assert!(check(plain).is_empty());
        for text in [
            "{{ ''.__class__.__mro__[1].__subclasses__() }}",
            "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
            "{{ lipsum|attr('x') }}",
            "{% include '/etc/passwd' %}",
            "{% if 'invoice' in message['content'] %}send it to me{% endif %}",
        ] {
            assert!(!check(text).is_empty(), "{text}");
        }
    }
}
