//! Our KQL rules in SPL and ES|QL, where those can say them.

use atalaya_detect::{Origin, Rule};
use atalaya_model::{Diagnostic, SourceFile};
use atalaya_sigma::convert::{Format, Language};
use atalaya_translate::Target;

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
        // What a rule that is wrong means in another language is nobody's guess.
        let rule = match Rule::parse(&file.text, Origin::File(file.path.clone())) {
            Ok((rule, _)) => rule,
            Err(problems) => {
                out.refused += 1;
                say(&name, &file.text, &problems);
                continue;
            }
        };
        let query = rule.query.as_str();
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
            Err(mut problems) => {
                out.refused += 1;
                for problem in &mut problems {
                    problem.span = rule.place_in_file(problem.span);
                }
                say(&name, &file.text, &problems);
            }
        }
    }
    Ok(out)
}

fn say(name: &str, text: &str, problems: &[Diagnostic]) {
    let source = SourceFile { name, text };
    for problem in problems {
        output::note(&source.render(problem));
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Language, RuleFile, translate};

    fn rule(condition: &str) -> RuleFile {
        let text = format!(
            "id: r\nname: R\ndescription: d\nversion: 1.0.0\nkind: Scheduled\nseverity: Low\n\
             queryFrequency: 1h\nqueryPeriod: 1h\ntriggerOperator: gt\ntriggerThreshold: 0\n\
             query: |\n  AIGuardrailDecisions\n  | summarize Calls = count() by UserId\n  \
             | where {condition}\nentityMappings:\n  - entityType: Account\n    fieldMappings: \
             [{{identifier: Name, columnName: UserId}}]\natlas: {{techniques: [AML.T0051]}}\n"
        );
        RuleFile {
            path: "r.yml".into(),
            text,
        }
    }

    #[test]
    fn a_rule_that_is_wrong_is_not_said_in_another_language() {
        for (condition, refused) in [("Calls > 5", 0), ("Before > 5", 1), ("ModelName == 'm'", 1)] {
            let files = [rule(condition)];
            let done = translate(&files, Language::Spl, Format::Query, None).unwrap_or_default();
            assert_eq!(done.refused, refused, "{condition}");
            assert_eq!(done.text.is_empty(), refused == 1, "{}", done.text);
        }
    }
}
