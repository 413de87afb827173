//! When a rule is due, which windows it has to search, and what its run leaves behind.

use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_store::RuleState;

use crate::rule::Rule;

/// Longest error text that is kept, bytes.
const ERROR_BYTES_MAX: usize = 500;
/// A failing rule is tried again after its frequency, but at the latest after this.
const RETRY_MAX: Duration = Duration::from_secs(300);

/// Whether a rule has to run at `now`.
pub(super) fn is_due(state: Option<&RuleState>, frequency: Duration, now: Timestamp) -> bool {
    let Some((state, last_run)) = state.and_then(|s| Some((s, s.last_run?))) else {
        return true;
    };
    let wait = if state.last_error.is_some() {
        frequency.min(RETRY_MAX)
    } else {
        frequency
    };
    now.0.saturating_sub(last_run.0) >= micros(wait)
}

/// Ends of the windows to search, oldest first; the last is `now`. More than one only after a
/// gap that a single window does not reach across; what lies further back than `catch_up_max` is
/// given up, and counted.
pub(super) fn window_ends(
    state: &mut RuleState,
    lookback: Duration,
    now: Timestamp,
    catch_up_max: Duration,
) -> Vec<Timestamp> {
    let step = micros(lookback).max(1);
    let Some(cursor) = state.cursor.filter(|cursor| *cursor <= now) else {
        return vec![now];
    };
    let earliest = now.0.saturating_sub(micros(catch_up_max));
    let mut searched = cursor.0;
    if searched < earliest && now.0 - searched > step {
        let skipped_micros = earliest - searched;
        state.skipped_ms_total += u64::try_from(skipped_micros / 1_000).unwrap_or(0);
        searched = earliest;
    }
    let mut ends = Vec::new();
    while now.0 - searched > step {
        searched += step;
        ends.push(Timestamp(searched));
    }
    ends.push(now);
    ends
}

/// Writes down how a run ended.
pub(super) fn settle(
    state: &mut RuleState,
    rule: &Rule,
    now: Timestamp,
    elapsed_ms: u64,
    error: Option<impl std::fmt::Display>,
) {
    state.rule_id.clone_from(&rule.id);
    state.rule_version.clone_from(&rule.version);
    state.rule_hash.clone_from(&rule.hash);
    state.last_run = Some(now);
    state.last_duration_ms = elapsed_ms;
    state.runs_total += 1;
    match error {
        None => {
            state.last_error = None;
            state.failures_in_a_row = 0;
        }
        Some(error) => {
            let mut text = error.to_string();
            let mut end = ERROR_BYTES_MAX.min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            state.last_error = Some(text);
            state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
            state.failures_total += 1;
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use atalaya_model::Timestamp;
    use atalaya_store::RuleState;

    use super::window_ends;

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn a_gap_is_searched_window_by_window_and_what_is_given_up_is_counted() {
        for (cursor, ends, skipped_ms) in [
            (None, vec![100], 0),
            (Some(100), vec![100], 0),
            (Some(99), vec![100], 0),
            (Some(97), vec![98, 99, 100], 0),
            (Some(0), vec![77, 78, 79, 80], 76 * 3_600_000),
            (Some(101), vec![100], 0),
        ] {
            let mut state = RuleState {
                cursor: cursor.map(|h| Timestamp(h * HOUR)),
                ..RuleState::default()
            };
            let hour = Duration::from_secs(3_600);
            let found = window_ends(&mut state, hour, Timestamp(100 * HOUR), hour * 24);
            let hours: Vec<i64> = found.iter().map(|t| t.0 / HOUR).collect();
            assert_eq!(
                hours[..ends.len().min(4)],
                ends[..ends.len().min(4)],
                "{cursor:?}"
            );
            assert_eq!(hours.last(), Some(&100));
            assert_eq!(state.skipped_ms_total, skipped_ms, "{cursor:?}");
        }
    }
}
