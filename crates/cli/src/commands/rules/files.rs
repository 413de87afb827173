//! Rule files on disk, and the events that they are asked about.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use atalaya_model::SourceFile;
use atalaya_sigma::Problem;
use atalaya_sigma::ir::{Collection, Target};
use atalaya_sigma::matcher::EVENT_BYTES_MAX;
use atalaya_sigma::pipeline::{self, Pipeline};

use crate::exit::Failure;

/// Deepest nesting of folders.
const DEPTH_MAX: usize = 16;
/// Most files.
const FILES_MAX: usize = 50_000;

/// A file with its text.
pub(super) struct RuleFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl RuleFile {
    /// Whether it holds Sigma rules: told by the keys that every one has.
    pub(super) fn is_sigma(&self) -> bool {
        let starts = |key: &str| self.text.lines().any(|line| line.starts_with(key));
        (starts("detection:") && starts("logsource:"))
            || starts("correlation:")
            || starts("filter:")
            || starts("action:")
    }

    pub(super) fn render(&self, problem: &Problem) -> String {
        let name = self.path.display().to_string();
        let source = SourceFile {
            name: &name,
            text: &self.text,
        };
        source.render(&problem.diagnostic)
    }
}

/// All rule files of paths and folders, in order; tests and companions are left out.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<RuleFile>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        collect(path, 0, &mut found)?;
    }
    let mut files = Vec::with_capacity(found.len());
    for path in found {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::BadInput(format!("error: {}: {error}", path.display())))?;
        files.push(RuleFile { path, text });
    }
    Ok(files)
}

fn collect(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error| Failure::BadInput(format!("error: {}: {error}", path.display()));
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    if depth > DEPTH_MAX || found.len() > FILES_MAX {
        let message = format!(
            "error: {}: more than {FILES_MAX} files or {DEPTH_MAX} levels of folders",
            path.display()
        );
        return Err(Failure::BadInput(message));
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, depth + 1, found)?;
        } else if is_rule(&entry) {
            found.push(entry);
        }
    }
    Ok(())
}

fn is_rule(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    let stem = name.trim_end_matches(".yaml").trim_end_matches(".yml");
    is_yaml && !stem.ends_with(".test") && !stem.ends_with(".meta")
}

/// The Sigma rules of paths, read together. Files with mistakes are named, and are an error
/// unless `keep_going`.
pub(super) fn sigma(
    paths: &[PathBuf],
    keep_going: bool,
) -> Result<(Collection, Vec<RuleFile>), Failure> {
    let mut files = read(paths)?;
    files.retain(RuleFile::is_sigma);
    let texts = files.iter().map(|file| file.text.as_str());
    let (collection, problems) = atalaya_sigma::parse_files(texts);
    let errors = problems
        .iter()
        .filter(|problem| problem.diagnostic.level == atalaya_sigma::Level::Error);
    let rendered: Vec<String> = errors
        .map(|problem| files[problem.file].render(problem))
        .collect();
    if rendered.is_empty() {
        return Ok((collection, files));
    }
    if keep_going {
        crate::output::note(&rendered.join("\n"));
        crate::output::note(&format!(
            "{} mistakes; the other rules are in force",
            rendered.len()
        ));
        return Ok((collection, files));
    }
    Err(Failure::BadInput(rendered.join("\n")))
}

/// What a match is reported by.
pub(super) fn label(collection: &Collection, target: Target) -> &str {
    collection
        .metadata(target)
        .map_or("", |metadata| metadata.label())
}

/// Calls `each` with every line of a file that is not empty; `-` is standard input.
pub(super) fn lines(
    path: &Path,
    each: &mut dyn FnMut(u64, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::BadInput(format!("error: {}: {error}", path.display()));
    let mut reader: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::with_capacity(
            1 << 18,
            File::open(path).map_err(failed)?,
        ))
    };
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let limit = EVENT_BYTES_MAX as u64 + 1;
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut line);
        if read.map_err(failed)? == 0 {
            return Ok(());
        }
        if line.len() > EVENT_BYTES_MAX {
            let message = format!(
                "error: {}: event {number} is larger than {EVENT_BYTES_MAX} bytes",
                path.display()
            );
            return Err(Failure::BadInput(message));
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if !text.is_empty() {
            each(number, text)?;
            number += 1;
        }
    }
}

/// Processing pipelines by the name of a ready-made one, or by file.
pub(super) fn pipelines(names: &[String]) -> Result<Vec<Pipeline>, Failure> {
    let mut list = Vec::with_capacity(names.len());
    for name in names {
        if let Some(pipeline) = Pipeline::named(name) {
            list.push(pipeline);
            continue;
        }
        let path = Path::new(name);
        if !path.is_file() {
            return Err(Failure::BadInput(format!(
                "error: `{name}` is neither a file nor a ready-made pipeline\n  help: ready-made: {}",
                pipeline::NAMES.join(", ")
            )));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::BadInput(format!("error: {}: {error}", path.display())))?;
        let pipeline = Pipeline::parse(&text)
            .map_err(|problems| Failure::diagnostics(name, &text, &problems))?;
        list.push(pipeline);
    }
    Ok(list)
}
