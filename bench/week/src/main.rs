//! Alerts per day that the built-in rules make of a week of benign traffic of a thousand callers,
//! and whether each technique's rules find that technique in the middle of it.
//!
//! ```text
//! atalaya-bench-week [--seed N] [--mix company|uniform|busy] [--callers N] [--days N]
//!                    [--every MINUTES] [--rules DIR] [--only TEXT] [--analytics]
//!                    [--check ALERTS_PER_DAY] [--traces FILE] [--variations N] [--alone]
//!                    [--together]
//! ```
//!
//! The week is the same for the same seed. Everything the red team does is on the allowlist, as
//! it would be in operation, and nothing else is. With `--traces`, attacks are generated from a
//! file of what each technique leaves behind, with names, order, volume and pace varied by the
//! seed, and mixed into the week (or, with `--alone`, put into empty tables), one at a time or,
//! with `--together`, all of a variation at once.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a harness reports on the terminal"
)]

mod callers;
mod events;
mod options;
mod pipeline;
mod random;
mod rows;
mod run;
mod source;
mod stream;
mod traces;

use std::collections::BTreeMap;
use std::process::ExitCode;

use options::Options;
use run::{Alert, Schedule};
use source::Hourly;

fn main() -> ExitCode {
    match Options::read().and_then(|options| measure(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: &Options) -> Result<bool, String> {
    let catalogue = options.catalogue()?;
    let mut week = rows::Week::of_days(options.days);
    if !options.alone {
        callers::add(&mut week, options);
        pipeline::add(&mut week, options);
    }
    week.sort();
    for table in atalaya_tables::ALL {
        eprintln!("{}: {} rows", table.name, week.rows(table.name).len());
    }
    if let Some(file) = &options.traces {
        return traces::measure(file, &catalogue, &week, options);
    }
    let mut alerts = stream::all(&catalogue, &[&week]);
    if !options.analytics {
        let hourly = Hourly::new(&week)?;
        let schedule = Schedule::week(options.every, options.days);
        alerts.extend(run::all(&catalogue, &options.only, &hourly, schedule)?);
    }
    alerts.retain(|alert| !callers::is_allowlisted(&alert.entities));
    report(&alerts, options.days);
    let most = options.check.unwrap_or(f64::INFINITY);
    Ok(per_day(&alerts, options.days) <= most)
}

#[expect(clippy::cast_precision_loss, reason = "a few alerts and days")]
fn per_day(alerts: &[Alert], days: i64) -> f64 {
    alerts.len() as f64 / days as f64
}

fn report(alerts: &[Alert], days: i64) {
    let mut by_rule: BTreeMap<&str, Vec<&Alert>> = BTreeMap::new();
    for alert in alerts {
        by_rule.entry(&alert.rule).or_default().push(alert);
    }
    for (rule, alerts) in &by_rule {
        println!("{:4}  {rule}", alerts.len());
        for alert in alerts.iter().take(5) {
            let hours = (alert.micros - rows::START) / rows::HOUR;
            let minutes = (alert.micros - rows::START) / rows::MINUTE % 60;
            println!(
                "        day {} {:02}:{minutes:02} {} {}",
                hours / 24,
                hours % 24,
                alert.group.join(" "),
                alert.details
            );
        }
    }
    println!(
        "{} alerts in {days} days: {:.1} a day",
        alerts.len(),
        per_day(alerts, days)
    );
}
