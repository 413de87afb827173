//! Tags of Sigma as tactics and techniques.

/// Tactics of ATT&CK: tag, name, id.
const TACTICS: &[(&str, &str, &str)] = &[
    ("reconnaissance", "Reconnaissance", "TA0043"),
    ("resource-development", "Resource Development", "TA0042"),
    ("initial-access", "Initial Access", "TA0001"),
    ("execution", "Execution", "TA0002"),
    ("persistence", "Persistence", "TA0003"),
    ("privilege-escalation", "Privilege Escalation", "TA0004"),
    ("defense-evasion", "Defense Evasion", "TA0005"),
    ("credential-access", "Credential Access", "TA0006"),
    ("discovery", "Discovery", "TA0007"),
    ("lateral-movement", "Lateral Movement", "TA0008"),
    ("collection", "Collection", "TA0009"),
    ("command-and-control", "Command and Control", "TA0011"),
    ("exfiltration", "Exfiltration", "TA0010"),
    ("impact", "Impact", "TA0040"),
];

/// Name and id of each tactic in the tags.
pub(super) fn tactics(tags: &[String]) -> Vec<(&'static str, &'static str)> {
    let mut out = Vec::new();
    for tag in tags {
        let Some(word) = tag.strip_prefix("attack.") else {
            continue;
        };
        let word = word.replace('_', "-");
        let tactic = TACTICS.iter().find(|(known, ..)| *known == word);
        if let Some((_, name, id)) = tactic
            && !out.contains(&(*name, *id))
        {
            out.push((*name, *id));
        }
    }
    out
}

/// Techniques of ATT&CK in the tags, e.g. `T1059.001`.
pub(super) fn techniques(tags: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for tag in tags {
        let Some(word) = tag.strip_prefix("attack.t") else {
            continue;
        };
        let id = format!("T{word}");
        let is_id = word.chars().all(|c| c.is_ascii_digit() || c == '.') && word.len() >= 4;
        if is_id && !out.contains(&id) {
            out.push(id);
        }
    }
    out
}

/// Techniques of ATLAS in the tags, e.g. `AML.T0051`.
pub(super) fn atlas(tags: &[String]) -> Vec<String> {
    let ids = tags.iter().filter_map(|tag| {
        let word = tag.strip_prefix("atlas.")?;
        word.starts_with("aml.t").then(|| word.to_uppercase())
    });
    ids.collect()
}
