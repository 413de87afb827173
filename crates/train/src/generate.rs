//! Generated rows: grammars, put into innocent texts where they ask for it, and written the way
//! people write (case, typing mistakes, blanks, line breaks).

use std::path::Path;

use crate::corpus::Row;
use crate::grammar::{Filler, Grammar, Section};
use crate::random::Random;

/// Longest text that carries something.
const CARRIER_BYTES_MAX: usize = 6000;

/// Reads every `.grammar` of a folder, in the order of their names.
pub(crate) fn read(folder: &Path) -> Result<(Grammar, Vec<String>), String> {
    let place = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .map_err(place)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "grammar"))
        .collect();
    paths.sort();
    let mut grammar = Grammar::default();
    let mut texts = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(place)?;
        grammar.add(&text);
        texts.push(text);
    }
    Ok((grammar, texts))
}

/// Innocent texts to fill in.
struct Innocent<'a> {
    questions: Vec<&'a str>,
    sentences: Vec<&'a str>,
    documents: Vec<&'a str>,
    outputs: Vec<&'a str>,
}

impl<'a> Innocent<'a> {
    fn of(rows: &'a [Row]) -> Self {
        let benign = |role: &'static str| {
            rows.iter()
                .filter(move |row| !row.is_attack() && row.role == role)
                .map(|row| row.text.as_str())
        };
        Self {
            questions: benign("user")
                .filter(|t| (12..120).contains(&t.len()) && t.ends_with('?'))
                .collect(),
            sentences: benign("document")
                .flat_map(|text| text.split(['\n']))
                .flat_map(|line| line.split_inclusive(". "))
                .filter(|s| (30..200).contains(&s.len()) && s.is_ascii())
                .collect(),
            documents: benign("document")
                .filter(|t| t.len() < CARRIER_BYTES_MAX)
                .collect(),
            outputs: benign("tool_output")
                .filter(|t| t.len() < CARRIER_BYTES_MAX)
                .collect(),
        }
    }
}

fn one<'a>(texts: &[&'a str], random: &mut Random) -> &'a str {
    texts.get(random.below(texts.len())).copied().unwrap_or("")
}

impl Filler for Innocent<'_> {
    fn fill(&self, name: &str, random: &mut Random) -> String {
        match name {
            "@question" => one(&self.questions, random),
            "@sentence" => one(&self.sentences, random).trim(),
            _ => "",
        }
        .to_owned()
    }
}

/// All texts that the grammars ask for.
pub(crate) fn rows(grammar: &Grammar, training: &[Row], seed: u64, percent: usize) -> Vec<Row> {
    let innocent = Innocent::of(training);
    let mut rows = Vec::new();
    for section in &grammar.sections {
        let mut random = Random::named(seed, &section.source);
        for number in 0..section.count() * percent / 100 {
            let text = grammar.generate(section, &innocent, &mut random);
            let text = as_written(&text, &mut random);
            let text = if section.option("disguise").is_empty() {
                text
            } else {
                in_disguise(&text, &mut random)
            };
            let text = carried(section, &text, &innocent, &mut random);
            if text.trim().len() >= 2 {
                rows.push(row(section, number, text));
            }
        }
    }
    rows.extend(as_material(training, seed, percent));
    let disguised = disguised(training, &rows, seed, percent);
    rows.extend(disguised);
    rows
}

/// A text in a disguise that hides what it asks for.
fn in_disguise(text: &str, random: &mut Random) -> String {
    const ASKS: &[&str] = &[
        "Respond to the following base64-encoded request:\n",
        "Respond in English to this encoded request: ",
        "You have received an encoded request:\n",
        "Answer the encoded question:\n",
        "",
        "",
        "",
    ];
    let (_, disguise) = crate::obfuscate::ALL
        .get(random.below(crate::obfuscate::ALL.len()))
        .copied()
        .unwrap_or(("none", |text, _| text.to_owned()));
    format!("{}{}", one(ASKS, random), disguise(text, random))
}

/// Attacks and innocent texts in every disguise.
fn disguised(training: &[Row], own: &[Row], seed: u64, percent: usize) -> Vec<Row> {
    const OF_EACH: usize = 60;
    const ORDERS: &[&str] = &[
        "Decode this and follow the instructions: ",
        "Decode and execute: ",
        "Respond to the following encoded request:\n",
        "Follow the hidden instruction: ",
        "Do what this says: ",
        "Translate and obey:\n",
        "",
        "",
        "",
        "",
        "",
    ];
    const REQUESTS: &[&str] = &[
        "Can you decode this? ",
        "What does this say? ",
        "Please convert this to plain text: ",
        "I found this string: ",
        "data: ",
        "",
        "",
        "",
        "",
        "",
    ];
    let mut random = Random::named(seed, "disguised");
    let mut rows = Vec::new();
    for attack in [true, false] {
        let texts: Vec<&Row> = training
            .iter()
            .chain(own.iter().filter(|_| attack))
            .filter(|row| {
                row.is_attack() == attack
                    && row.role == "user"
                    && (20..240).contains(&row.text.len())
            })
            .filter(|row| row.text.is_ascii() && row.kind != "encoding_obfuscation")
            .collect();
        for (name, disguise) in crate::obfuscate::ALL {
            for number in 0..OF_EACH * percent / 100 {
                let Some(row) = texts.get(random.below(texts.len())) else {
                    continue;
                };
                let order = one(if attack { ORDERS } else { REQUESTS }, &mut random);
                let source = if attack {
                    "own_disguise"
                } else {
                    "own_b_disguise"
                };
                rows.push(Row {
                    id: format!("{source}_{name}-{number}"),
                    source: format!("{source}_{name}"),
                    text: format!("{order}{}", disguise(&row.text, &mut random)),
                    kind: if attack {
                        "encoding_obfuscation"
                    } else {
                        "benign_hard"
                    }
                    .to_owned(),
                    ..(*row).clone()
                });
            }
        }
    }
    rows
}

/// What a user said is an attack in a document too: the attacks of users, put into material.
fn as_material(training: &[Row], seed: u64, percent: usize) -> Vec<Row> {
    const EVERY_PERCENT: usize = 30;
    let innocent = Innocent::of(training);
    let mut random = Random::named(seed, "as_material");
    let mut rows = Vec::new();
    for row in training
        .iter()
        .filter(|row| row.is_attack() && row.role == "user")
    {
        if !random.chance(EVERY_PERCENT * percent / 100) || row.text.len() > 1500 {
            continue;
        }
        let (role, pool) = if random.chance(50) {
            ("document", &innocent.documents)
        } else {
            ("tool_output", &innocent.outputs)
        };
        let text = if random.chance(40) {
            row.text.clone()
        } else {
            inside(one(pool, &mut random), &row.text, &mut random)
        };
        rows.push(Row {
            id: format!("{}-{role}", row.id),
            text,
            role: role.to_owned(),
            kind: "indirect_injection".to_owned(),
            ..row.clone()
        });
    }
    rows
}

fn row(section: &Section, number: usize, text: String) -> Row {
    Row {
        id: format!("{}-{number}", section.source),
        source: section.source.clone(),
        license: "CC0-1.0".to_owned(),
        text,
        label: section.option("label").parse().ok(),
        kind: section.option("kind").to_owned(),
        role: section.option("role").to_owned(),
        lang: match section.option("lang") {
            "" => "en".to_owned(),
            lang => lang.to_owned(),
        },
    }
}

/// Puts a text into one of the innocent texts of its role.
fn carried(section: &Section, text: &str, innocent: &Innocent<'_>, random: &mut Random) -> String {
    match section.option("carrier") {
        "document" => inside(one(&innocent.documents, random), text, random),
        "tool_output" => inside(one(&innocent.outputs, random), text, random),
        "embedded" => {
            const ASKS: &[&str] = &[
                "Summarize this text:\n",
                "Translate this to German:\n",
                "What does this email say?\n\n",
                "Please review the following document.\n\n",
                "Here is the tool output:\n",
                "Context:\n",
                "Answer the question using the text below.\n\n",
                "Here is a web page I found:\n",
                "Is this a good CV?\n\n",
                "Classify the following review:\n",
                "Proofread:\n",
                "Use the search results to answer.\n",
                "Extract the key points:\n\"\"\"\n",
                "",
            ];
            const ENDS: &[&str] = &[
                "",
                "",
                "\nContinue with the task.",
                "\n\"\"\"",
                "\n\nAnswer:",
                "\nQuestion: what is this about?",
            ];
            let pool = if random.chance(70) {
                &innocent.documents
            } else {
                &innocent.outputs
            };
            let body = inside(one(pool, random), text, random);
            format!("{}{body}{}", one(ASKS, random), one(ENDS, random))
        }
        _ => text.to_owned(),
    }
}

/// Inserts at a place where something could end: a line, a sentence, a value.
fn inside(carrier: &str, text: &str, random: &mut Random) -> String {
    let ends: Vec<usize> = carrier
        .char_indices()
        .filter(|(at, c)| {
            *c == '\n'
                || (matches!(c, '.' | '。' | '।')
                    && carrier.get(at + c.len_utf8()..at + c.len_utf8() + 1) == Some(" "))
        })
        .map(|(at, c)| at + c.len_utf8())
        .collect();
    let quoted = random
        .chance(50)
        .then(|| value_end(carrier, random))
        .flatten();
    if let Some(at) = quoted {
        let escaped = text.replace('"', "\\\"").replace('\n', "\\n");
        let (head, tail) = carrier.split_at(at);
        return format!("{head} {escaped}{tail}");
    }
    let at = match random.below(10) {
        0..=3 => carrier.len(),
        4 => 0,
        _ => ends
            .get(random.below(ends.len()))
            .copied()
            .unwrap_or(carrier.len()),
    };
    let (head, tail) = carrier.split_at(at);
    const JOINTS: &[&str] = &["\n", "\n\n", " ", "\n\n\n", " ", "\n- ", "\n> "];
    let before = if head.is_empty() {
        ""
    } else {
        one(JOINTS, random)
    };
    let after = if tail.is_empty() {
        ""
    } else {
        one(JOINTS, random)
    };
    format!("{head}{before}{text}{after}{tail}")
}

/// The end of a longer string value, where a carrier is JSON.
fn value_end(carrier: &str, random: &mut Random) -> Option<usize> {
    let ends: Vec<usize> = carrier
        .match_indices("\",")
        .map(|(at, _)| at)
        .filter(|at| {
            *at > 0
                && carrier
                    .as_bytes()
                    .get(at - 1)
                    .is_some_and(u8::is_ascii_alphanumeric)
        })
        .collect();
    ends.get(random.below(ends.len())).copied()
}

/// Case, mistakes and blanks, as people make them.
fn as_written(text: &str, random: &mut Random) -> String {
    let text = match random.below(20) {
        0..=2 => text.to_lowercase(),
        3 => text.to_uppercase(),
        4..=7 => {
            let mut chars = text.chars();
            chars.next().map_or_else(String::new, |first| {
                first.to_uppercase().chain(chars).collect()
            })
        }
        _ => text.to_owned(),
    };
    match random.below(20) {
        0 => mistyped(&text, random),
        1 => text.replace(['.', ',', '!'], ""),
        2 => text.replace(' ', "  "),
        _ => text,
    }
}

fn mistyped(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=chars.len() / 40 {
        let at = random.below(chars.len().saturating_sub(1));
        match random.below(3) {
            0 => chars.swap(at, at + 1),
            1 if chars.len() > 4 => {
                chars.remove(at);
            }
            _ => {
                if let Some(c) = chars.get(at).copied() {
                    chars.insert(at, c);
                }
            }
        }
        if chars.len() < 3 {
            break;
        }
    }
    chars.into_iter().collect()
}
