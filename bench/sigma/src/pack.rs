//! A pack of rules about an AI gateway, made by number: phrases of attacks in prompts and
//! answers, tools, scores, callers. Words are put together so that no two rules are equal.

use std::fmt::Write as _;

const VERBS: [&str; 12] = [
    "ignore",
    "disregard",
    "forget",
    "bypass",
    "override",
    "reveal",
    "print",
    "repeat",
    "leak",
    "dump",
    "disable",
    "unlock",
];
const WHAT: [&str; 10] = [
    "previous instructions",
    "the system prompt",
    "your guidelines",
    "safety filters",
    "hidden rules",
    "developer message",
    "all restrictions",
    "the api key",
    "your memory",
    "content policy",
];
const TOOLS: [&str; 8] = [
    "shell", "exec", "sql", "fetch", "mail", "browser", "files", "deploy",
];

/// That many rules.
pub(crate) fn rules(count: usize) -> Vec<String> {
    (0..count).map(rule).collect()
}

fn rule(number: usize) -> String {
    let (verb, what) = (VERBS[number % 12], WHAT[number / 12 % 10]);
    let (tool, score) = (TOOLS[number % 8], 50 + number % 50);
    let mut text = format!(
        "title: Rule {number}\nid: pack-{number}\nlogsource:\n  product: ai_gateway\n  service: decision\ndetection:\n"
    );
    let _ = match number % 6 {
        0 | 1 => write!(
            text,
            "  a:\n    prompt|contains:\n      - {verb} {what}\n      - {verb} all of {what}\n      - {verb}-{number}\n  f:\n    app: qa-{number}\n  condition: a and not f\n"
        ),
        2 => write!(
            text,
            "  a:\n    response|contains|all:\n      - {what}\n      - step {number}\n  condition: a\n"
        ),
        3 => write!(
            text,
            "  a:\n    tool_calls.name: {tool}_{number}\n    guardrail.prompt_injection_score|gte: 0.{score}\n  condition: a\n"
        ),
        4 => write!(
            text,
            "  a:\n    prompt|re: '{verb}\\s+(?:the\\s+)?{}\\s+{number}'\n  condition: a\n",
            what.split(' ').next_back().unwrap_or("rules")
        ),
        _ => write!(
            text,
            "  a:\n    model|startswith: model-{number}\n    action: allow\n    prompt_tokens|gt: {}\n  condition: a\n",
            number * 10
        ),
    };
    text.push_str("level: medium\n");
    text
}
