//! `atalaya rules bench`: how fast rules are on a machine, with its own rules and events.

use std::path::PathBuf;
use std::time::Instant;

use atalaya_sigma::matcher::{Matcher, Scratch};

use super::files;
use crate::exit::{Exit, Failure};
use crate::output;

/// Measure rules over events: time to compile, events per second on one core
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or folders of Sigma rules.
    #[arg(long, required = true)]
    rules: Vec<PathBuf>,
    /// Events, one JSON object per line.
    #[arg(long)]
    events: PathBuf,
    /// Seconds to measure.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let start = Instant::now();
    let (collection, _) = files::sigma(&args.rules, true)?;
    let matcher =
        Matcher::new(&collection).map_err(|error| Failure::BadInput(format!("error: {error}")))?;
    let compiled = start.elapsed();
    let mut events: Vec<String> = Vec::new();
    files::lines(&args.events, &mut |_, event| {
        events.push(event.to_owned());
        Ok(())
    })?;
    if events.is_empty() {
        return Err(Failure::BadInput("error: there are no events".to_owned()));
    }
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let (mut count, mut matches, mut bytes) = (0_u64, 0_u64, 0_u64);
    let start = Instant::now();
    while start.elapsed().as_secs() < args.seconds.max(1) {
        for event in &events {
            out.clear();
            // Events that cannot be read cost time as well.
            let _ = matcher.matches(event, &mut scratch, None, &mut out);
            matches += out.len() as u64;
            count += 1;
            bytes += event.len() as u64;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rows = vec![
        vec!["rules".to_owned(), matcher.len().to_string()],
        vec![
            "compiled in".to_owned(),
            format!("{:.0} ms", compiled.as_secs_f64() * 1e3),
        ],
        vec![
            "events/s".to_owned(),
            format!("{:.0}", count as f64 / seconds),
        ],
        vec![
            "MB/s".to_owned(),
            format!("{:.0}", bytes as f64 / seconds / 1e6),
        ],
        vec![
            "matches/event".to_owned(),
            format!("{:.3}", matches as f64 / count as f64),
        ],
        vec![
            "conditions/event".to_owned(),
            format!("{:.1}", scratch.evaluated as f64 / count as f64),
        ],
    ];
    output::data(&output::table(&["Figure", "Value"], &rows))
        .map_err(|error| Failure::world("writing figures", error))?;
    Ok(Exit::Fine)
}
