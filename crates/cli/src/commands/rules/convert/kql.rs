//! Our KQL rules in SPL and ES|QL, where those can say them.

use atalaya_model::{Diagnostic, SourceFile};
use atalaya_sigma::convert::{Format, Language};
use atalaya_translate::Target;
use serde_json::Value;

use super::super::files::RuleFile;
use crate::exit::Failure;
use crate::output;

/// What became of the rules.
#[derive(Default)]
pub(super) struct Translated {
    pub(super) text: String,
    pub(super) refused: usize,
}

/// Whether it holds a rule with a query.
pub(super) fn is_rule(file: &RuleFile) -> bool {
    file.text.lines().any(|line| line.starts_with("query:"))
}

/// Translates each rule; what cannot be said is noted.
pub(super) fn translate(
    files: &[RuleFile],
    language: Language,
    format: Format,
    table: Option<&str>,
) -> Result<Translated, Failure> {
    let mut out = Translated::default();
    if files.is_empty() {
        return Ok(out);
    }
    let target = match language {
        Language::Spl => Some(Target::Spl),
        Language::Esql => Some(Target::Esql),
        Language::Kql => None,
        _ => {
            return Err(Failure::BadInput(format!(
                "error: KQL rules become spl and esql only, not {}",
                language.name()
            )));
        }
    };
    if format != Format::Query {
        return Err(Failure::BadInput(
            "error: KQL rules are written as queries only\n  help: leave out `--format`".to_owned(),
        ));
    }
    for file in files {
        let name = file.path.display().to_string();
        let rule: Value = match atalaya_yaml::parse(&file.text) {
            Ok(rule) => rule,
            Err(problem) => return Err(Failure::diagnostics(&name, &file.text, &[*problem])),
        };
        let query = rule["query"].as_str().unwrap_or_default();
        let Some(target) = target else {
            out.text.push_str(query);
            out.text.push('\n');
            continue;
        };
        match atalaya_translate::translate(query, target, table) {
            Ok(text) => {
                out.text.push_str(&text);
                out.text.push_str("\n\n");
            }
            Err(problems) => {
                out.refused += 1;
                say(&name, query, &problems);
            }
        }
    }
    Ok(out)
}

fn say(name: &str, query: &str, problems: &[Diagnostic]) {
    let source = SourceFile { name, text: query };
    for problem in problems {
        output::note(&source.render(problem));
    }
}
