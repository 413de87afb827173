//! `atalaya rules convert`: Sigma rules, and our KQL rules, in the languages of other products.

mod kql;

use std::path::PathBuf;

use atalaya_model::{Diagnostic, Level};
use atalaya_sigma::convert::{self, Converted, Format, Language, Options, Windows, Written};
use atalaya_sigma::pipeline::{self, Pipeline, Pipelines};

use super::files::{self, RuleFile};
use crate::exit::{Exit, Failure};
use crate::output;

/// Write Sigma rules in the languages of other products
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or folders with Sigma rules; `-` reads standard input.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Target: kql, spl, lucene, esql, eql, sql (DuckDB), postgresql.
    #[arg(long, value_name = "LANGUAGE", default_value = "kql", value_parser = parse_language)]
    to: Language,
    /// Processing pipeline: a file, or the name of a ready-made one (atalaya, `microsoft_xdr`,
    /// `sentinel_asim`, `azure_monitor`, `splunk_windows`, `splunk_cim`, `ecs_windows`, `ecs_macos`, `ecs_kubernetes`); may be
    /// repeated.
    #[arg(long, short, value_name = "FILE|NAME")]
    pipeline: Vec<String>,
    /// What queries are written as: query, sentinel, sentinel-arm, savedsearch, data-model,
    /// elastic, dsl.
    #[arg(long, value_name = "FORMAT", default_value = "query", value_parser = parse_format)]
    format: Format,
    /// Write what the rule means even where the usual form of the language only nearly says it.
    #[arg(long)]
    exact: bool,
    /// How windows of correlations are written.
    #[arg(long, value_enum, default_value = "sliding")]
    windows: WindowsArg,
    /// Table, index or data set, where no pipeline says it.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
}

/// How windows of correlations are written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum WindowsArg {
    /// At each event, the time before it.
    Sliding,
    /// Fixed buckets: shorter, and a burst over a border is lost.
    Tumbling,
}

fn parse_language(text: &str) -> Result<Language, String> {
    Language::named(text).ok_or_else(|| {
        let names: Vec<&str> = Language::NAMES.iter().map(|(name, _)| *name).collect();
        format!("known: {}", names.join(", "))
    })
}

fn parse_format(text: &str) -> Result<Format, String> {
    Format::named(text).ok_or_else(|| {
        let names: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).collect();
        format!("known: {}", names.join(", "))
    })
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let pipelines = pipelines(args)?;
    let (files, kql_files) = rule_files(&args.paths)?;
    let texts = files.iter().map(|file| file.text.as_str());
    let (collection, problems) = atalaya_sigma::parse_files(texts);
    let mut has_errors = false;
    for problem in &problems {
        has_errors |= problem.diagnostic.level == Level::Error;
        if let Some(file) = files.get(problem.file) {
            output::note(&file.render(problem));
        }
    }
    let options = Options {
        exact: args.exact,
        windows: match args.windows {
            WindowsArg::Sliding => Windows::Sliding,
            WindowsArg::Tumbling => Windows::Tumbling,
        },
        table: args.table.clone(),
    };
    let converted = convert::convert(&collection, args.to, &pipelines, &options);
    let mut refused = 0_usize;
    let mut written = Vec::new();
    for one in &converted {
        match &one.result {
            Ok(queries) => {
                for query in queries {
                    for remark in &query.remarks {
                        remark_on(one, remark);
                    }
                    written.push(Written {
                        metadata: &one.metadata,
                        query,
                    });
                }
            }
            Err(errors) => {
                refused += 1;
                errors.iter().for_each(|error| remark_on(one, error));
            }
        }
    }
    let mut text = write(&written, args, &pipelines)?;
    let translated = kql::translate(&kql_files, args.to, args.format, args.table.as_deref())?;
    refused += translated.refused;
    text.push_str(&translated.text);
    output::data(&text).map_err(|error| Failure::world("writing the queries", error))?;
    if refused > 0 {
        output::note(&format!(
            "{refused} of {} rules cannot be said in {}",
            converted.len() + kql_files.len(),
            args.to.name()
        ));
    }
    if text.is_empty() && (refused > 0 || has_errors) {
        return Err(Failure::BadInput("error: no rule was converted".to_owned()));
    }
    Ok(if refused > 0 || has_errors {
        Exit::Found
    } else {
        Exit::Fine
    })
}

fn write(written: &[Written<'_>], args: &Args, pipelines: &Pipelines) -> Result<String, Failure> {
    let fail = |problem: Box<Diagnostic>| Failure::diagnostics("<conversion>", "", &[*problem]);
    if args.format == Format::Query {
        let queries: Vec<String> = written.iter().map(|one| one.query.text.clone()).collect();
        if let Some(text) = pipelines.finalize(&queries).map_err(fail)? {
            return Ok(format!("{text}\n"));
        }
    }
    convert::write(written, args.to, args.format).map_err(fail)
}

/// A remark about a rule that has no place in a text of its own.
fn remark_on(one: &Converted, diagnostic: &Diagnostic) {
    let level = match diagnostic.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    };
    let help = diagnostic
        .help
        .as_deref()
        .map(|help| format!("\n  help: {help}"))
        .unwrap_or_default();
    output::note(&format!(
        "{level}[{}]: {}: {}{help}",
        diagnostic.code, one.metadata.title, diagnostic.message
    ));
}

/// The pipelines that were asked for; without one, KQL knows the log sources of this product.
fn pipelines(args: &Args) -> Result<Pipelines, Failure> {
    let mut list = Vec::with_capacity(args.pipeline.len() + 1);
    if args.pipeline.is_empty() && args.table.is_none() && args.to == Language::Kql {
        list.extend(Pipeline::named(pipeline::OWN_SOURCES));
    }
    list.extend(files::pipelines(&args.pipeline)?);
    Ok(Pipelines::new(list))
}

/// Sigma files, and files with a KQL rule.
fn rule_files(paths: &[PathBuf]) -> Result<(Vec<RuleFile>, Vec<RuleFile>), Failure> {
    let (input, paths): (Vec<PathBuf>, Vec<PathBuf>) = paths
        .iter()
        .cloned()
        .partition(|path| path.as_os_str() == "-");
    let mut out = files::read(&paths)?;
    if !input.is_empty() {
        let text = std::io::read_to_string(std::io::stdin())
            .map_err(|error| Failure::world("reading standard input", error))?;
        out.push(RuleFile {
            path: PathBuf::from("<stdin>"),
            text,
        });
    }
    // What is neither is taken for Sigma, whose reader says what is missing.
    Ok(out
        .into_iter()
        .partition(|file| file.is_sigma() || !kql::is_rule(file)))
}
