//! `atalaya query` without a query, on a terminal: one after the other, with history and
//! completion. An empty line runs what was typed; so does a semicolon behind a query.

use std::path::PathBuf;

use atalaya_kql::{BindOptions, Catalog, complete};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper, Highlighter, Hinter};

use super::{Prepared, failure, print};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Most queries that are remembered.
const HISTORY_MAX: usize = 1_000;
const HELP: &str = "An empty line runs the query, and so does a semicolon behind it.\n\
                    Tab completes; .tables lists the tables; .exit or Ctrl-D ends.\n";

#[derive(Helper, Hinter, Highlighter)]
struct Assistant<'p> {
    prepared: &'p Prepared,
}

impl Completer for Assistant<'_> {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let options = BindOptions {
            now_ticks: self.prepared.options.now_ticks,
            strict: self.prepared.options.strict,
        };
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let start = line[..position].rfind(|c| !is_part(c)).map_or(0, |at| {
            at + line[at..].chars().next().map_or(1, char::len_utf8)
        });
        let found = complete(line, position, &Tables(self.prepared), options);
        let pair = |found: atalaya_kql::Completion| Pair {
            display: format!("{}  {}", found.label, found.detail),
            replacement: found.label,
        };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

impl Validator for Assistant<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_complete(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

/// Whether what was typed is to be run.
fn is_complete(input: &str) -> bool {
    let text = input.trim();
    if text.is_empty() || text.starts_with('.') || input.ends_with('\n') {
        return true;
    }
    let parsed = atalaya_kql::parse(text);
    text.ends_with(';') && parsed.script.query.is_some() && parsed.diagnostics.is_empty()
}

/// Tables as the completion sees them.
struct Tables<'p>(&'p Prepared);

impl Catalog for Tables<'_> {
    fn table(&self, name: &str) -> Option<Vec<atalaya_kql::bound::ColumnDef>> {
        self.0.tables.columns(name)
    }

    fn table_names(&self) -> Vec<String> {
        self.0.tables.names()
    }
}

pub(super) fn run(prepared: &Prepared, format: Option<Format>) -> Result<Exit, Failure> {
    let broken = |error: ReadlineError| Failure::CouldNotRun(format!("error: terminal: {error}"));
    let config = Config::builder()
        .max_history_size(HISTORY_MAX)
        .map_err(broken)?
        .auto_add_history(true)
        .build();
    let mut editor: Editor<Assistant<'_>, FileHistory> =
        Editor::with_config(config).map_err(broken)?;
    editor.set_helper(Some(Assistant { prepared }));
    let history = history_file();
    if let Some(file) = &history {
        // A history that cannot be read is an empty one.
        let _ = editor.load_history(file);
    }
    output::note(HELP.trim_end());
    loop {
        match editor.readline("kql> ") {
            Ok(line) => match line.trim() {
                "" => {}
                ".exit" | ".quit" => break,
                ".help" => output::note(HELP.trim_end()),
                ".tables" => output::note(&prepared.tables.names().join("\n")),
                kql => answer(prepared, kql.trim_end_matches(';'), format)?,
            },
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(broken(error)),
        }
    }
    if let Some(file) = &history {
        let _ = editor.save_history(file);
    }
    Ok(Exit::Fine)
}

/// Runs one query; what is wrong with it is shown, and the next can be typed.
fn answer(prepared: &Prepared, kql: &str, format: Option<Format>) -> Result<(), Failure> {
    match prepared.engine.run_blocking(kql, &prepared.options) {
        Ok(result) => {
            output::diagnostics("<query>", kql, &result.warnings);
            print(&result, Format::or_default(format))
        }
        Err(error) => {
            output::failure(&failure("<query>", kql, error));
            Ok(())
        }
    }
}

/// Where queries are remembered: readable by their owner only.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    let folder = state.or_else(home)?.join("atalaya");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("query_history"))
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn a_query_runs_when_it_is_meant_to() {
        for (input, runs) in [
            ("", true),
            (".tables", true),
            ("T", false),
            ("T\n| count", false),
            ("T\n| count\n", true),
            ("T | count;", true),
            ("let a = 1;", false),
            ("let a = 1; print a;", true),
            ("T | where (;", false),
        ] {
            assert_eq!(is_complete(input), runs, "{input:?}");
        }
    }
}
