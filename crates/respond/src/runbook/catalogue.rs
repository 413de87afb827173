//! The runbooks in force: built-in ones, overlaid by the files of the user.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atalaya_model::{Diagnostic, Level, SourceFile, Span};

use super::{FILE_BYTES_MAX, Origin, Runbook, builtin, code};

/// Most runbooks that a catalogue holds.
const RUNBOOKS_MAX: usize = 500;

/// A remark on a runbook file: an error if the runbook does not run.
#[derive(Clone, Debug)]
pub struct RunbookProblem {
    /// The file.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The remark.
    pub diagnostic: Diagnostic,
}

impl RunbookProblem {
    /// Whether the runbook does not run because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.diagnostic.level == Level::Error
    }

    /// The remark with the line it is about and a caret.
    #[must_use]
    pub fn render(&self) -> String {
        let source = SourceFile {
            name: &self.file,
            text: &self.text,
        };
        source.render(&self.diagnostic)
    }
}

/// Runbooks by id.
#[derive(Clone, Debug, Default)]
pub struct RunbookCatalogue {
    runbooks: BTreeMap<String, Arc<Runbook>>,
    tests: BTreeMap<String, String>,
    problems: Vec<RunbookProblem>,
}

impl RunbookCatalogue {
    /// The runbooks that are compiled in.
    #[must_use]
    pub fn builtin() -> Self {
        let mut catalogue = Self::default();
        for (path, text, test) in builtin::FILES {
            if let Some(id) = catalogue.add(text, Origin::BuiltIn(path)) {
                catalogue.tests.insert(id, (*test).to_owned());
            }
        }
        catalogue
    }

    /// Adds every `.yml` and `.yaml` file of a folder, test files excepted; one with the id of a
    /// built-in runbook replaces it.
    pub fn add_folder(&mut self, folder: &Path) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(folder, &error),
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                (name.ends_with(".yml") || name.ends_with(".yaml"))
                    && !name.ends_with(".test.yml")
                    && !name.ends_with(".test.yaml")
            })
            .take(RUNBOOKS_MAX)
            .collect();
        files.sort();
        for path in files {
            self.add_file(&path);
        }
    }

    /// Adds one file; the id of its runbook if it is in force now.
    pub fn add_file(&mut self, path: &Path) -> Option<String> {
        let text = match read_bounded(path) {
            Ok(text) => text,
            Err(error) => {
                self.unreadable(path, &error);
                return None;
            }
        };
        let id = self.add(&text, Origin::File(path.to_owned()))?;
        let test = path.with_extension("test.yml");
        if test.is_file() {
            match read_bounded(&test) {
                Ok(text) => drop(self.tests.insert(id.clone(), text)),
                Err(error) => self.unreadable(&test, &error),
            }
        } else {
            self.tests.remove(&id);
        }
        Some(id)
    }

    fn add(&mut self, text: &str, origin: Origin) -> Option<String> {
        let file = origin.to_string();
        let runbook = match Runbook::parse(text, origin) {
            Ok((runbook, remarks)) => {
                self.note(&file, text, remarks);
                runbook
            }
            Err(errors) => {
                self.note(&file, text, errors);
                return None;
            }
        };
        let known = self.runbooks.get(&runbook.id);
        let is_taken = known.is_some_and(|known| {
            !matches!(known.origin, Origin::BuiltIn(_))
                || matches!(runbook.origin, Origin::BuiltIn(_))
        });
        if is_taken {
            let at = text.find(&runbook.id).unwrap_or(0);
            let span = Span::new(at, at + runbook.id.len());
            let message = "another runbook has this id".to_owned();
            let error = Diagnostic::error(code::DUPLICATE, span, message)
                .with_help("give one of the two a new id");
            self.note(&file, text, vec![error]);
            return None;
        }
        let id = runbook.id.clone();
        self.runbooks.insert(id.clone(), Arc::new(runbook));
        Some(id)
    }

    /// Keeps a runbook from starting by itself; false if there is none of that id.
    pub fn disable(&mut self, id: &str) -> bool {
        let Some(runbook) = self.runbooks.get_mut(id) else {
            return false;
        };
        Arc::make_mut(runbook).enabled = false;
        true
    }

    /// Runbooks by id.
    pub fn runbooks(&self) -> impl Iterator<Item = &Arc<Runbook>> {
        self.runbooks.values()
    }

    /// The runbook of that id.
    #[must_use]
    pub fn runbook(&self, id: &str) -> Option<&Arc<Runbook>> {
        self.runbooks.get(id)
    }

    /// The text of the test file of a runbook.
    #[must_use]
    pub fn test_of(&self, id: &str) -> Option<&str> {
        self.tests.get(id).map(String::as_str)
    }

    /// Remarks on the files that were read.
    #[must_use]
    pub fn problems(&self) -> &[RunbookProblem] {
        &self.problems
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        let message = format!("cannot be read: {error}");
        let diagnostic = Diagnostic::error(code::UNREADABLE, Span::default(), message);
        self.note(&path.display().to_string(), "", vec![diagnostic]);
    }

    fn note(&mut self, file: &str, text: &str, diagnostics: Vec<Diagnostic>) {
        self.problems
            .extend(diagnostics.into_iter().map(|diagnostic| RunbookProblem {
                file: file.to_owned(),
                text: text.to_owned(),
                diagnostic,
            }));
    }
}

/// Reads a text file, but not an endless one.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(limit)
        .read_to_string(&mut text)?;
    Ok(text)
}
