//! How many values several sets have in common, from their sketches.

use super::{Arguments, Problem, quoted};

/// Most sets: the terms double with each.
const SETS_MAX: usize = 6;

/// `dcount_intersect(hll, …)`: `s0` counts the first set, `s1` what it shares with the second,
/// `s2` what these share with the third, and so on. Unions can be counted, so what sets share is
/// what inclusion and exclusion say of their unions.
pub(super) fn dcount_intersect(args: &Arguments<'_>) -> Result<String, Problem> {
    let sets = args.args.iter().map(|arg| arg.expr.span.slice(args.source));
    let sets: Vec<&str> = sets.collect();
    if sets.is_empty() || sets.len() > SETS_MAX {
        return Err(Problem {
            span: args.span,
            message: format!("`dcount_intersect` takes 1 to {SETS_MAX} sketches"),
        });
    }
    let columns: Vec<String> = (1..=sets.len())
        .map(|count| {
            format!(
                "{} = {}",
                quoted(&format!("s{}", count - 1)),
                shared(&sets[..count])
            )
        })
        .collect();
    Ok(format!("__plugin_rows | extend {}", columns.join(", ")))
}

/// How many values all sets share.
fn shared(sets: &[&str]) -> String {
    let mut terms = String::new();
    for chosen in 1_usize..1 << sets.len() {
        let united: Vec<&str> = sets
            .iter()
            .enumerate()
            .filter(|(at, _)| chosen >> at & 1 == 1)
            .map(|(_, set)| *set)
            .collect();
        let sign = if united.len() % 2 == 1 { '+' } else { '-' };
        let union = match united.as_slice() {
            [one] => format!("dcount_hll({one})"),
            several => format!("dcount_hll(hll_merge({}))", several.join(", ")),
        };
        if !terms.is_empty() || sign == '-' {
            terms.push(sign);
        }
        terms.push_str(&union);
    }
    terms
}
