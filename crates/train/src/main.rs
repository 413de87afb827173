//! `atalaya-train`: from labelled texts and grammars to the weights of the classifier.
//!
//! Deterministic: the same files give the same weights. Everything that decides (texts, grammars,
//! settings) is hashed into the model's header.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers, not the product"
)]

mod corpus;
mod cross;
mod disguise;
mod fit;
mod generate;
mod grammar;
mod learn;
mod obfuscate;
mod random;
mod suffix;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::corpus::{Document, Row};
use self::learn::Settings;

/// Trains the classifier of the inspection
#[derive(Parser)]
#[command(name = "atalaya-train", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train, calibrate on sources held out in turn, and write the weights
    Fit {
        /// Labelled texts: JSON lines
        data: PathBuf,
        /// Where the weights go
        #[arg(long, default_value = "crates/inspect/src/classifier/weights.bin")]
        out: PathBuf,
        #[command(flatten)]
        own: Own,
    },
    /// How many detected attacks are still detected in every disguise, and how many innocent texts
    /// are then acted on
    Disguise {
        /// Labelled texts: JSON lines
        data: PathBuf,
        /// Texts of each label
        #[arg(long, default_value_t = 200)]
        count: usize,
    },
    /// Print generated texts, to look at them
    Show {
        /// Labelled texts that carry the generated ones
        data: PathBuf,
        #[command(flatten)]
        own: Own,
        /// Texts of each section
        #[arg(long, default_value_t = 3)]
        count: usize,
    },
    /// Recall on sources that the model did not see, for every source
    Cross {
        /// Labelled texts: JSON lines
        data: PathBuf,
        /// Print attacks of this source that are missed, or innocent texts (`alarms`)
        #[arg(long)]
        misses: Option<String>,
        /// Learn attacks from generated texts alone
        #[arg(long)]
        own_only: bool,
        #[command(flatten)]
        own: Own,
        /// Every n-th text only
        #[arg(long, default_value_t = 1)]
        every: usize,
        #[arg(long)]
        epochs: Option<usize>,
        #[arg(long)]
        rate: Option<f32>,
        #[arg(long)]
        hidden: Option<usize>,
        #[arg(long)]
        sources: Option<u16>,
        #[arg(long)]
        decay: Option<f32>,
    },
}

/// Texts that are generated.
#[derive(clap::Args)]
struct Own {
    /// Folder of grammars
    #[arg(long, default_value = "crates/train/grammars")]
    grammars: PathBuf,
    /// Percent of the counts that the grammars ask for; 0 generates nothing
    #[arg(long, default_value_t = 100)]
    own_percent: usize,
}

impl Own {
    /// SHA-256 of the texts and of every grammar.
    fn hashes(&self, data: &std::path::Path) -> Result<Vec<String>, String> {
        use sha2::{Digest as _, Sha256};
        let text = std::fs::read(data)
            .map_err(|error| format!("cannot read {}: {error}", data.display()))?;
        let (_, grammars) = generate::read(&self.grammars)?;
        let all = std::iter::once(text).chain(grammars.into_iter().map(String::into_bytes));
        Ok(all
            .map(|bytes| {
                Sha256::digest(bytes)
                    .iter()
                    .map(|b| format!("{b:02x}"))
                    .collect()
            })
            .collect())
    }

    fn rows(&self, training: &[Row]) -> Result<Vec<Row>, String> {
        if self.own_percent == 0 {
            return Ok(Vec::new());
        }
        let (grammar, _) = generate::read(&self.grammars)?;
        for name in grammar.unknown() {
            eprintln!("note: {{{name}}} stands for nothing and is left as it is");
        }
        Ok(generate::rows(&grammar, training, 11, self.own_percent))
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> Result<(), String> {
    match arguments.command {
        Command::Fit { data, out, own } => {
            let mut rows = corpus::read(&data)?;
            rows.extend(own.rows(&rows)?);
            let origin = fit::Origin {
                data_sha256: own.hashes(&data)?,
                command: format!("atalaya-train fit --own-percent {}", own.own_percent),
            };
            let model = fit::fit(&rows, &documents(&rows), Settings::default(), &origin);
            std::fs::write(&out, model.write())
                .map_err(|error| format!("cannot write {}: {error}", out.display()))
        }
        Command::Disguise { data, count } => {
            println!("{}", disguise::report(&corpus::read(&data)?, count));
            Ok(())
        }
        Command::Show { data, own, count } => show(&data, &own, count),
        Command::Cross {
            data,
            misses,
            own_only,
            own,
            every,
            epochs,
            rate,
            hidden,
            sources,
            decay,
        } => {
            let mut rows: Vec<Row> = corpus::read(&data)?
                .into_iter()
                .step_by(every.max(1))
                .collect();
            rows.extend(own.rows(&rows)?);
            let documents = documents(&rows);
            let base = Settings::default();
            let settings = Settings {
                epochs: epochs.unwrap_or(base.epochs),
                rate: rate.unwrap_or(base.rate),
                hidden_percent: hidden.unwrap_or(base.hidden_percent),
                sources_min: sources.unwrap_or(base.sources_min),
                decay: decay.unwrap_or(base.decay),
                ..base
            };
            let mut scores = cross::scores(&rows, &documents, settings, own_only);
            cross::level(&rows, &documents, &mut scores);
            println!("{}", cross::report(&rows, &scores));
            if let Some(wanted) = misses {
                for (row, score) in rows.iter().zip(&scores) {
                    let Some(score) = score else { continue };
                    let alarm = wanted == "alarms" && !row.is_attack() && *score > 0.0;
                    if alarm || (row.source == wanted && *score < 0.0) {
                        let text: String = row.text.chars().take(260).collect();
                        println!("{score:.2} {} {} {text:?}", row.source, row.role);
                    }
                }
            }
            Ok(())
        }
    }
}

/// Features of all rows, with weights that keep large sources from drowning small ones.
fn documents(rows: &[Row]) -> Vec<Document> {
    let mut names: Vec<&str> = rows.iter().map(|row| row.source.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let number = |source: &str| names.binary_search(&source).unwrap_or(0);
    let mut sizes = vec![[0_u32; 2]; names.len()];
    for row in rows {
        if let Some(size) = sizes.get_mut(number(&row.source)) {
            size[usize::from(row.is_attack())] += 1;
        }
    }
    let mut reader = corpus::Reader::new();
    rows.iter()
        .map(|row| {
            let source = number(&row.source);
            let mut document = reader.document(row, u32::try_from(source).unwrap_or(0));
            let size = sizes
                .get(source)
                .map_or(1, |s| s[usize::from(row.is_attack())].max(1));
            document.weight = (300.0 / size as f32).powf(0.35).clamp(0.3, 3.0);
            document
        })
        .collect()
}

fn show(data: &std::path::Path, own: &Own, count: usize) -> Result<(), String> {
    let rows = own.rows(&corpus::read(data)?)?;
    let mut shown = std::collections::BTreeMap::new();
    for row in rows {
        let seen = shown.entry(row.source.clone()).or_insert(0);
        *seen += 1;
        if *seen <= count {
            println!("{}: {:?}", row.source, row.text);
        }
    }
    Ok(())
}
