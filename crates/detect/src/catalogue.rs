//! The rules in force: built-in ones, overlaid by the files of the user.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atalaya_model::{Diagnostic, Level, SourceFile, Span};

use crate::builtin;
use crate::rule::{FILE_BYTES_MAX, Origin, Rule, code};

/// Most rules that a catalogue holds.
const RULES_MAX: usize = 5_000;
/// How deep folders of rules may be nested.
const FOLDER_DEPTH_MAX: usize = 8;

/// A remark on a rule file: an error if the rule does not run.
#[derive(Clone, Debug)]
pub struct RuleProblem {
    /// The file.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The remark.
    pub diagnostic: Diagnostic,
}

impl RuleProblem {
    /// Whether the rule does not run because of it.
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

/// Rules by id.
#[derive(Clone, Debug, Default)]
pub struct RuleCatalogue {
    rules: BTreeMap<String, Arc<Rule>>,
    tests: BTreeMap<String, String>,
    problems: Vec<RuleProblem>,
}

impl RuleCatalogue {
    /// The rules that are compiled in.
    #[must_use]
    pub fn builtin() -> Self {
        let mut catalogue = Self::default();
        for file in builtin::FILES {
            let id = catalogue.add(file.text, file.companion, Origin::BuiltIn(file.path));
            if let Some(id) = id {
                catalogue.tests.insert(id, file.test.to_owned());
            }
        }
        catalogue
    }

    /// Adds every `.yml` and `.yaml` file of a folder and its sub-folders, test and companion
    /// files excepted.
    /// A file with the id of a built-in rule replaces it. What is wrong with files is added to
    /// [`Self::problems`]; rules that are wrong are left out, the others are in force.
    pub fn add_folder(&mut self, folder: &Path) {
        let mut files = Vec::new();
        self.collect(folder, FOLDER_DEPTH_MAX, &mut files);
        files.sort();
        for path in files {
            self.add_file(&path);
        }
    }

    /// Adds one file.
    pub fn add_file(&mut self, path: &Path) {
        let text = match read_bounded(path) {
            Ok(text) => text,
            Err(error) => return self.unreadable(path, &error),
        };
        let companion = path.with_extension("meta.yml");
        let companion = match companion.is_file().then(|| read_bounded(&companion)) {
            Some(Err(error)) => return self.unreadable(&companion, &error),
            Some(Ok(text)) => Some(text),
            None => None,
        };
        let origin = Origin::File(path.to_owned());
        let Some(id) = self.add(&text, companion.as_deref(), origin) else {
            return;
        };
        let test = path.with_extension("test.yml");
        if test.is_file() {
            match read_bounded(&test) {
                Ok(text) => drop(self.tests.insert(id, text)),
                Err(error) => self.unreadable(&test, &error),
            }
        } else {
            self.tests.remove(&id);
        }
    }

    /// Adds one rule; its id if it is in force now.
    fn add(&mut self, text: &str, companion: Option<&str>, origin: Origin) -> Option<String> {
        let file = origin.to_string();
        let (rule, remarks) = match Rule::parse_with(text, companion, origin) {
            Ok(parsed) => parsed,
            Err(errors) => {
                self.note(&file, text, errors);
                return None;
            }
        };
        self.note(&file, text, remarks);
        if let Some(refusal) = self.refusal(&rule) {
            self.note(&file, text, vec![refusal]);
            return None;
        }
        let id = rule.id.clone();
        self.rules.insert(id.clone(), Arc::new(rule));
        Some(id)
    }

    fn refusal(&self, rule: &Rule) -> Option<Diagnostic> {
        let span = rule
            .text
            .find(&rule.id)
            .map_or_else(Span::default, |at| Span::new(at, at + rule.id.len()));
        let known = self.rules.get(&rule.id);
        let replaces_builtin = matches!(
            (known.map(|k| &k.origin), &rule.origin),
            (Some(Origin::BuiltIn(_)), Origin::File(_))
        );
        match known {
            Some(known) if !replaces_builtin => Some(
                Diagnostic::error(
                    code::DUPLICATE,
                    span,
                    format!("the id stands in {} too", known.origin),
                )
                .with_help("give one of the two a new id"),
            ),
            None if self.rules.len() >= RULES_MAX => Some(Diagnostic::error(
                code::TOO_LARGE,
                span,
                format!("there are {RULES_MAX} rules already"),
            )),
            _ => None,
        }
    }

    /// These rules and no others; of several with one id, the last.
    #[must_use]
    pub fn of(rules: impl IntoIterator<Item = Rule>) -> Self {
        let by_id = |rule: Rule| (rule.id.clone(), Arc::new(rule));
        Self {
            rules: rules.into_iter().map(by_id).collect(),
            ..Self::default()
        }
    }

    /// Takes a rule out of force; false if there is none of that id.
    pub fn disable(&mut self, id: &str) -> bool {
        let Some(rule) = self.rules.get_mut(id) else {
            return false;
        };
        Arc::make_mut(rule).enabled = false;
        true
    }

    /// Rules by id, disabled ones included.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.values()
    }

    /// The rule of that exact id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.get(id)
    }

    /// The text of the test file of a rule.
    #[must_use]
    pub fn test_of(&self, id: &str) -> Option<&str> {
        self.tests.get(id).map(String::as_str)
    }

    /// Number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Remarks on the files that were read.
    #[must_use]
    pub fn problems(&self) -> &[RuleProblem] {
        &self.problems
    }

    /// Techniques that an enabled rule with a test file names: what coverage counts.
    #[must_use]
    pub fn covered_techniques(&self) -> std::collections::BTreeSet<String> {
        self.rules
            .values()
            .filter(|rule| rule.enabled && self.tests.contains_key(&rule.id))
            .flat_map(|rule| rule.techniques.iter().cloned())
            .collect()
    }

    /// What coverage needs to know of every enabled rule with a test file.
    #[must_use]
    pub fn coverage_facts(&self) -> Vec<atalaya_atlas::RuleFacts> {
        let counted = self.rules.values();
        counted
            .filter(|rule| rule.enabled && self.tests.contains_key(&rule.id))
            .map(|rule| atalaya_atlas::RuleFacts {
                techniques: rule.techniques.clone(),
                sources: rule
                    .tables
                    .iter()
                    .filter_map(|table| atalaya_atlas::LogSource::of_table(table.name))
                    .collect(),
            })
            .collect()
    }

    /// Titles of enabled, tested rules by technique, for a Navigator layer.
    #[must_use]
    pub fn titles_by_technique(&self) -> BTreeMap<String, Vec<String>> {
        let mut titles: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for rule in self.rules.values() {
            if rule.enabled && self.tests.contains_key(&rule.id) {
                for technique in &rule.techniques {
                    let entry = titles.entry(technique.clone()).or_default();
                    entry.push(rule.name.clone());
                }
            }
        }
        titles
    }

    fn collect(&mut self, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(folder, &error),
        };
        for path in entries.filter_map(Result::ok).map(|e| e.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
            let is_test = name.ends_with(".test.yml") || name.ends_with(".test.yaml");
            let is_companion = name.ends_with(".meta.yml");
            if path.is_dir() && depth > 0 {
                self.collect(&path, depth - 1, files);
            } else if is_yaml && !is_test && !is_companion && files.len() < RULES_MAX {
                files.push(path);
            }
        }
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        let message = format!("cannot be read: {error}");
        let diagnostic = Diagnostic::error(code::UNREADABLE, Span::default(), message);
        self.note(&path.display().to_string(), "", vec![diagnostic]);
    }

    fn note(&mut self, file: &str, text: &str, diagnostics: Vec<Diagnostic>) {
        self.problems
            .extend(diagnostics.into_iter().map(|diagnostic| RuleProblem {
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
