//! Durations as rule files write them: `5m`, `1h`, `14d`, and Sentinel's ISO 8601 `PT1H`, `P1D`.

use std::time::Duration;

/// Reads a duration; `None` if it is not one or is longer than about a century.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let seconds = match text.strip_prefix(['P', 'p']) {
        Some(iso) => parse_iso(iso)?,
        None => parse_short(text)?,
    };
    const CENTURY_SECONDS: f64 = 3.2e9;
    (0.0..=CENTURY_SECONDS)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

fn parse_short(text: &str) -> Option<f64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.trim().parse().ok()?;
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "s" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    };
    Some(number * seconds)
}

fn parse_iso(text: &str) -> Option<f64> {
    let (date, time) = match text.split_once(['T', 't']) {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date = sum_units(date, &[('W', 604_800.0), ('D', 86_400.0)])?;
    let time = sum_units(time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?;
    Some(date + time)
}

fn sum_units(text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let number: f64 = rest.get(..unit_at)?.parse().ok()?;
        let unit = rest.get(unit_at..)?.chars().next()?.to_ascii_uppercase();
        let (_, seconds) = units.iter().find(|(known, _)| *known == unit)?;
        sum += number * seconds;
        rest = rest.get(unit_at + 1..)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_spellings_are_read_and_nothing_else() {
        for (text, seconds) in [
            ("5m", 300.0),
            ("1h", 3600.0),
            ("14d", 1_209_600.0),
            ("PT1H", 3600.0),
            ("P1D", 86_400.0),
            ("PT5M", 300.0),
            ("P1DT2H3M4S", 93_784.0),
            ("250ms", 0.25),
        ] {
            let parsed = parse(text).map(|d| d.as_secs_f64());
            assert_eq!(parsed, Some(seconds), "{text}");
        }
        for text in [
            "", "5", "h", "1x", "PT", "P", "-5m", "NaNm", "1e300d", "PT1", "P1H", "5é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
