//! Attacks, generated per technique: does a rule of that technique find them in the week?
//!
//! A file says what each technique leaves behind; `recipe` makes rows of it, different ones for
//! every seed. Only rules that name the technique count, and only hits that are about the attack.

mod recipe;

use std::collections::BTreeMap;
use std::path::Path;

use atalaya_analytics::Limits;
use atalaya_detect::{AnalyticRunner, CorrelationLimits, Hit, Rule, RuleCatalogue};

use crate::options::Options;
use crate::random::Random;
use crate::rows::{DAY, HOUR, MINUTE, START, Week};
use crate::run::Looking;
use crate::source::Hourly;
use recipe::{Attack, Recipe};

/// Wednesday, ten in the morning: everybody is at work, and there is a history.
const BEGIN: i64 = START + 2 * DAY + 10 * HOUR;

/// Runs all recipes; whether every technique was found in every variation.
pub(crate) fn measure(
    file: &Path,
    catalogue: &RuleCatalogue,
    week: &Week,
    options: &Options,
) -> Result<bool, String> {
    let recipes = recipe::read(file)?;
    let hourly = Hourly::new(week)?;
    let calm = Calm::new(catalogue, week);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let recipes: Vec<&Recipe> = recipes
        .iter()
        .filter(|recipe| recipe.technique.contains(&options.only))
        .collect();
    let mut missed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut found = BTreeMap::<String, (u64, u64)>::new();
    for variation in 0..options.variations {
        let seed = options.seed.wrapping_mul(1_000_003) ^ (variation << 8);
        let attack = |recipe: &&Recipe| {
            recipe.attack(BEGIN, &mut Random::new(seed.wrapping_add(recipe.seed())))
        };
        let attacks: Vec<Attack> = recipes.iter().map(attack).collect();
        let mut all = Week::of_days(options.days);
        if options.together {
            attacks.iter().for_each(|attack| all.include(&attack.rows));
            all.sort();
        }
        let together = hourly.with(&all)?;
        for (recipe, attack) in recipes.iter().zip(&attacks) {
            let rows = if options.together { &all } else { &attack.rows };
            let seen = if options.together {
                together.clone()
            } else {
                hourly.with(rows)?
            };
            let by = runtime.block_on(find((attack, rows), recipe, catalogue, &seen, &calm))?;
            let count = found.entry(recipe.technique.clone()).or_default();
            count.1 += 1;
            if by.is_empty() {
                eprintln!("missed {}: {}", recipe.technique, recipe.name);
                let name = format!("{} (variation {variation})", recipe.name);
                let names = missed.entry(recipe.technique.clone()).or_default();
                names.push(name);
            } else {
                count.0 += 1;
            }
        }
    }
    for (technique, names) in &missed {
        println!("missed  {technique}: {}", names.join(", "));
    }
    let (hit, all) = found
        .values()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let whole = found.values().filter(|(hit, all)| hit == all).count();
    println!(
        "{hit} of {all} attacks found; {whole} of {} techniques in every variation",
        found.len()
    );
    Ok(missed.is_empty())
}

/// When a rule that runs every `step` is asked about an attack. Of a long one, which is a history and
/// then an attack, some runs are left out, but none about its last two hours.
fn moments((start, end): (i64, i64), step: i64) -> Vec<i64> {
    let last = end + step;
    let sparse = step.max((last - start) / 12);
    let mut now = start + step;
    let mut moments = Vec::new();
    while now < last {
        moments.push(now);
        now += if now < end - 2 * HOUR { sparse } else { step };
    }
    moments.push(last);
    moments
}

/// Rules of the technique that found the attack.
async fn find(
    (attack, rows): (&Attack, &Week),
    recipe: &Recipe,
    catalogue: &RuleCatalogue,
    hourly: &Hourly,
    calm: &Calm<'_>,
) -> Result<Vec<String>, String> {
    let mut by = Vec::new();
    let looking = Looking::new(hourly)?;
    let of_technique = |rule: &Rule| rule.techniques.contains(&recipe.technique);
    for rule in catalogue.rules().filter(|rule| of_technique(rule)) {
        if rule.analytic.is_some() {
            continue;
        }
        let step = i64::try_from(rule.frequency.as_micros())
            .unwrap_or(HOUR)
            .max(10 * MINUTE);
        for now in moments((attack.start, attack.end), step) {
            let hits = looking.hits(rule, now).await?;
            if hits.iter().any(|hit| attack.is_meant(hit)) {
                by.push(rule.origin.to_string());
                break;
            }
        }
    }
    let analytic = catalogue
        .rules()
        .any(|rule| of_technique(rule) && rule.analytic.is_some());
    if by.is_empty() && analytic {
        by.extend(calm.stream((attack, rows), &recipe.technique)?);
    }
    Ok(by)
}

/// The analytics as the attack finds them: they know the days before.
struct Calm<'a> {
    catalogue: &'a RuleCatalogue,
    week: &'a Week,
    remembered: Vec<u8>,
}

impl<'a> Calm<'a> {
    fn new(catalogue: &'a RuleCatalogue, week: &'a Week) -> Self {
        let mut runner =
            AnalyticRunner::new(catalogue, Limits::default(), CorrelationLimits::default());
        for (table, row) in week.stream() {
            if row.micros < BEGIN {
                runner.row(table, &row.json);
            }
        }
        runner.take();
        Self {
            catalogue,
            week,
            remembered: runner.snapshot(0),
        }
    }

    fn stream(
        &self,
        (attack, all): (&Attack, &Week),
        technique: &str,
    ) -> Result<Vec<String>, String> {
        let mut runner = AnalyticRunner::new(
            self.catalogue,
            Limits::default(),
            CorrelationLimits::default(),
        );
        runner.restore(&self.remembered)?;
        let times = BEGIN..attack.end + MINUTE;
        let mut rows = self.week.stream();
        rows.retain(|(_, row)| times.contains(&row.micros));
        rows.extend(all.stream());
        rows.sort_by_key(|(_, row)| row.micros);
        let mut by = Vec::new();
        for (table, row) in rows {
            runner.row(table, &row.json);
            for found in runner.take() {
                let is_of = found.rule.techniques.iter().any(|id| id == technique);
                if is_of && attack.is_meant(&found.hit) {
                    by.push(found.rule.origin.to_string());
                }
            }
        }
        Ok(by)
    }
}

impl Attack {
    /// Whether a hit is about this attack.
    fn is_meant(&self, hit: &Hit) -> bool {
        let about = |text: &str| self.marks.iter().any(|mark| text.contains(mark.as_str()));
        hit.entities.iter().any(|entity| about(&entity.value))
            || hit.details.values().any(|text| about(text))
            || hit.group.iter().any(|text| about(text))
    }
}

#[cfg(test)]
mod tests {
    use super::{HOUR, MINUTE, moments};

    #[test]
    fn the_end_of_a_long_attack_is_asked_about_as_often_as_the_rule_runs() {
        let asked = moments((0, 26 * HOUR), 15 * MINUTE);
        let late = asked.iter().filter(|now| **now > 24 * HOUR).count();
        assert!(late >= 8, "{asked:?}");
        assert_eq!(asked.last(), Some(&(26 * HOUR + 15 * MINUTE)));
        assert!(asked.len() < 24, "{asked:?}");
        assert_eq!(moments((0, 20 * MINUTE), 15 * MINUTE).len(), 3);
    }
}
