//! Mutates queries and watches lexer, parser, binder, formatter and completion: nothing may panic,
//! take longer than a second or point outside of the query; formatting changes white space only,
//! twice is once, and what was formatted gets the same diagnostics and columns.
//!
//! ```sh
//! cargo run --release -p atalaya-kql --example fuzz -- queries.jsonl tables.jsonl --seconds 3600
//! ```
//!
//! Lines of JSON with a `query` are seeds, those with a `table` and its `columns` are tables.
//! Mutations cut, repeat, swap and splice tokens and bytes; what gives a set of diagnostics that was
//! not seen before becomes a seed. The same seed number gives the same mutations. A finding is
//! written to `finding-N.kql`; a query that does not end within a minute is written to
//! `finding-endless.kql`, and is the last one.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a tool for developers, not part of the product"
)]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atalaya_kql::bound::{ColumnDef, Type};
use atalaya_kql::{BindOptions, Catalog, LogTables, bind, complete, format, hover};
use serde_json::Value;

const OPTIONS: BindOptions = BindOptions {
    now_ticks: 638_900_000_000_000_000,
    strict: true,
};
const SLOW: Duration = Duration::from_secs(1);
/// What takes this long may never end.
const ENDLESS: Duration = Duration::from_secs(60);
/// Longest query that becomes a seed, bytes.
const SEED_BYTES_MAX: usize = 4_000;
/// Most seeds that are grown.
const GROWN_MAX: usize = 20_000;
/// Queries of many plugins and functions, so that their code is reached without a corpus.
const SEEDS: [&str; 5] = [
    "AuditLog | where TimeGenerated > ago(1h) | summarize n = count() by UserId | sort by n desc",
    "let f = (T: (*), n: long = 1) { T | take n }; f(AuditLog) | evaluate basket(0.1)",
    "AuditLog | make-series c = count() on TimeGenerated step 1h by UserId | extend series_fft(c)",
    "AuditLog | parse UserId with 'a' x:long 'b' y | mv-expand z = parse_json(y) to typeof(string)",
    "search in (AuditLog) 'a' and not(UserId has_any ('b', @'c')) | fork (count) (facet by UserId)",
];

/// The log tables, and those that were given.
#[derive(Default)]
struct Tables(HashMap<String, Vec<ColumnDef>>);

impl Catalog for Tables {
    fn table(&self, name: &str) -> Option<Vec<ColumnDef>> {
        self.0.get(name).cloned().or_else(|| LogTables.table(name))
    }

    fn table_names(&self) -> Vec<String> {
        LogTables.table_names()
    }
}

/// What the command line asks for.
struct Work {
    seconds: u64,
    random: Random,
    seeds: Vec<String>,
    tables: Tables,
}

fn main() {
    let mut work = work();
    std::panic::set_hook(Box::new(|_| {}));
    let (started, mut runs, mut findings, mut slowest) = (Instant::now(), 0_u64, 0, SLOW / 10);
    let (given, mut seen) = (work.seeds.len(), HashSet::new());
    let watched = watched();
    while started.elapsed() < Duration::from_secs(work.seconds) {
        let query = mutated(&work.seeds, &mut work.random);
        *watched.lock().expect("nobody panics with it") = (Instant::now(), query.clone());
        let at = work.random.below(query.len() + 1);
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&query, at, &work.tables)));
        let took = begun.elapsed();
        let problem = match outcome {
            Err(_) => Some("it panicked"),
            Ok(Err(problem)) => Some(problem),
            Ok(Ok(_)) if took > SLOW => Some("it took longer than a second"),
            Ok(Ok(codes)) => {
                let room = work.seeds.len() < given + GROWN_MAX && query.len() < SEED_BYTES_MAX;
                if room && seen.insert(codes) {
                    work.seeds.push(query.clone());
                }
                None
            }
        };
        slowest = slowest.max(took);
        runs += 1;
        if let Some(problem) = problem {
            findings += 1;
            let path = format!("finding-{findings}.kql");
            std::fs::write(&path, &query).expect("the finding is written");
            println!("{path}: {problem}");
        }
    }
    let grown = work.seeds.len() - given;
    println!("{runs} queries, {grown} new seeds, {findings} findings, slowest {slowest:?}");
    std::process::exit(i32::from(findings > 0));
}

/// The query that runs and since when, under the eyes of a thread that ends everything if it does
/// not.
fn watched() -> Arc<Mutex<(Instant, String)>> {
    let watched = Arc::new(Mutex::new((Instant::now(), String::new())));
    let seen = Arc::clone(&watched);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(ENDLESS / 10);
            let (since, query) = seen.lock().expect("nobody panics with it").clone();
            if since.elapsed() > ENDLESS {
                std::fs::write("finding-endless.kql", &query).expect("the finding is written");
                println!("finding-endless.kql: it does not end");
                std::process::exit(1);
            }
        }
    });
    watched
}

fn work() -> Work {
    let mut work = Work {
        seconds: 60,
        random: Random(1),
        seeds: SEEDS.map(str::to_owned).into(),
        tables: Tables::default(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().and_then(|text| text.parse().ok());
        match argument.as_str() {
            "--seconds" => work.seconds = value().expect("a number of seconds"),
            "--seed" => work.random = Random(value().expect("a number")),
            path => {
                let text = std::fs::read_to_string(path).expect("a file of seeds or tables");
                for line in text
                    .lines()
                    .filter_map(|line| serde_json::from_str(line).ok())
                {
                    take(&line, &mut work);
                }
            }
        }
    }
    work
}

/// A seed or a table.
fn take(line: &Value, work: &mut Work) {
    if let Some(query) = line["query"].as_str() {
        work.seeds.push(query.to_owned());
    }
    let (Some(name), Some(columns)) = (line["table"].as_str(), line["columns"].as_array()) else {
        return;
    };
    let column = |column: &Value| {
        Some(ColumnDef {
            name: column[0].as_str()?.to_owned(),
            ty: Type::parse(column[1].as_str()?)?,
            range: None,
        })
    };
    let columns = columns.iter().filter_map(column).collect();
    work.tables.0.insert(name.to_owned(), columns);
}

/// What is said of a query, without where it is said.
type Said = (Vec<(String, String)>, Option<Vec<(String, Type)>>);

/// The codes of what is said of a query.
fn run(query: &str, at: usize, tables: &Tables) -> Result<BTreeSet<String>, &'static str> {
    let at = (0..=at)
        .rev()
        .find(|at| query.is_char_boundary(*at))
        .unwrap_or(0);
    let _ = (
        complete(query, at, tables, OPTIONS),
        hover(query, at, tables, OPTIONS),
    );
    // What is missing at the end is said behind the last line break.
    let said = said(&format!("{query}\n"), tables)?;
    let codes = said.0.iter().map(|(code, _)| code.clone()).collect();
    let Ok(once) = format(query) else {
        return Ok(codes);
    };
    if !solid(&once).eq(solid(query)) {
        return Err("formatting changes more than white space");
    }
    match format(&once) {
        Ok(twice) if twice == once => {}
        Ok(_) => return Err("formatting twice is not formatting once"),
        Err(_) => return Err("what was formatted is not read"),
    }
    if self::said(&once, tables)? != said {
        return Err("formatting changes what is said of the query");
    }
    Ok(codes)
}

fn said(query: &str, tables: &Tables) -> Result<Said, &'static str> {
    let bound = bind(query, tables, OPTIONS);
    let mut messages = Vec::new();
    for diagnostic in &bound.diagnostics {
        let (start, end) = (diagnostic.span.start, diagnostic.span.end);
        if start > end || query.get(start..end).is_none() {
            return Err("a diagnostic points outside of the query");
        }
        // Some repeat a part of the query, white space included.
        let message = solid(&diagnostic.message).collect();
        messages.push((diagnostic.code.clone(), message));
    }
    // Places decide their order, and white space decides places.
    messages.sort();
    let schema = bound.query.map(|query| {
        let columns = query.root.schema.into_iter();
        columns.map(|column| (column.name, column.ty)).collect()
    });
    Ok((messages, schema))
}

fn solid(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_whitespace())
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % limit.max(1) as u64).unwrap_or(0)
    }
}

fn mutated(seeds: &[String], random: &mut Random) -> String {
    let mut parts = pieces(&seeds[random.below(seeds.len())]);
    for _ in 0..=random.below(6) {
        let at = random.below(parts.len());
        let to = random.below(parts.len());
        match random.below(7) {
            0 if parts.len() > 1 => {
                parts.remove(at);
            }
            1 => parts.insert(at, parts[to].clone()),
            2 => parts.swap(at, to),
            3 => {
                let other = pieces(&seeds[random.below(seeds.len())]);
                let from = random.below(other.len());
                let count = random.below(12).min(other.len() - from);
                parts.splice(at..at, other[from..from + count].iter().cloned());
            }
            4 => parts.truncate(at.max(1)),
            5 => {
                let again = parts[at].clone();
                let times = 1 << random.below(8);
                parts.splice(at..at, std::iter::repeat_n(again, times));
            }
            _ => {
                const BYTES: [&str; 20] = [
                    "\"", "'", "\\", "(", ")", "{", "|", ";", "\0", "é", "`", "@", "// c\n", "\n",
                    " ", "-1", "1h", "null", ".", "*",
                ];
                parts.insert(at, BYTES[random.below(BYTES.len())].to_owned());
            }
        }
        if parts.is_empty() {
            parts.push(" ".to_owned());
        }
    }
    parts.concat()
}

/// Words, gaps and single signs.
fn pieces(query: &str) -> Vec<String> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 0,
        c if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut parts: Vec<String> = Vec::new();
    let mut last = 3;
    for c in query.chars() {
        match parts.last_mut() {
            Some(part) if last == kind(c) && last < 2 => part.push(c),
            _ => parts.push(c.to_string()),
        }
        last = kind(c);
    }
    if parts.is_empty() {
        parts.push(" ".to_owned());
    }
    parts
}
