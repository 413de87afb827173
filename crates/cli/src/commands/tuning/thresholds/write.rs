//! `--write`: the file of a ladder or a rule with one number changed.

use std::path::Path;

use atalaya_detect::{Rule, RuleThreshold};
use atalaya_respond::ladder::Ladder;
use atalaya_respond::tuning::threshold::Suggestion;

use crate::exit::{Exit, Failure};
use crate::output;

/// The threshold to write; a note and `None` if there is none.
fn wanted(suggestion: &Suggestion, at: Option<f64>) -> Option<f64> {
    let found = at.or(suggestion.suggested);
    if found.is_none() {
        output::note("nothing was written: no threshold is suggested; name one with --at");
    }
    found
}

/// Writes a ladder.
pub(super) fn ladder(
    folder: &Path,
    ladder: &Ladder,
    suggestion: &Suggestion,
    at: Option<f64>,
) -> Result<Exit, Failure> {
    let Some(at) = wanted(suggestion, at) else {
        return Ok(Exit::Found);
    };
    let (head, rungs) = ladder
        .text
        .split_once("rungs:")
        .unwrap_or((&ladder.text, ""));
    let old = format!("at: {},", suggestion.current);
    if !rungs.contains(&old) {
        return Err(Failure::BadInput(format!(
            "error: cannot find `{old}` in the ladder's file; change it by hand"
        )));
    }
    let text = format!(
        "{head}rungs:{}",
        rungs.replacen(&old, &format!("at: {at},"), 1)
    );
    if let Err(problems) = Ladder::parse(&text) {
        return Err(Failure::diagnostics(&ladder.id, &text, &problems));
    }
    let path = written(folder, &ladder.id, &text)?;
    output::note(&format!(
        "wrote {path}; it is in force once respond.ladders names {} and the node was reloaded; \
         see its effect with `atalaya replay --ladders-only --rules {path}`",
        folder.display(),
    ));
    Ok(Exit::Fine)
}

/// Writes a rule.
pub(super) fn rule(
    folder: &Path,
    (rule, threshold): (&Rule, &RuleThreshold),
    suggestion: &Suggestion,
    at: Option<f64>,
) -> Result<Exit, Failure> {
    let Some(at) = wanted(suggestion, at) else {
        return Ok(Exit::Found);
    };
    let changed = rule
        .with_threshold(threshold, at)
        .map_err(|problems| Failure::diagnostics(&rule.id, &rule.text, &problems))?;
    let path = written(folder, &rule.id, &changed.text)?;
    output::note(&format!(
        "wrote {path}; it is in force once rules.folders names {} and the node was reloaded; \
         see its effect with `atalaya replay --rules {path}`",
        folder.display(),
    ));
    Ok(Exit::Fine)
}

fn written(folder: &Path, id: &str, text: &str) -> Result<String, Failure> {
    let path = folder.join(format!("{id}.yml"));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| Failure::world(format!("writing {}", path.display()), error))?;
    Ok(path.display().to_string())
}
