//! Rules compiled together, asked about streams of events.

use crate::ir::RegexFlags;

/// Whether an expression can be read, without building it.
pub(crate) fn check_regex(pattern: &str, flags: RegexFlags) -> Result<(), String> {
    let parsed = regex_syntax::ParserBuilder::new()
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.multi_line)
        .dot_matches_new_line(flags.dot_all)
        .utf8(true)
        .build()
        .parse(pattern);
    parsed.map(|_| ()).map_err(|error| match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        error => error.to_string(),
    })
}
