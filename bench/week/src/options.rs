//! Arguments.

use std::path::PathBuf;

use atalaya_detect::RuleCatalogue;

use crate::rows::MINUTE;

/// What kind of company it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Values as in a company: skewed, habitual, with office hours.
    Company,
    /// Values drawn evenly from wide ranges, habits of nobody.
    Uniform,
    /// More of everything that looks like an attack.
    Busy,
}

pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) mix: Mix,
    pub(crate) callers: i64,
    pub(crate) days: i64,
    pub(crate) every: i64,
    pub(crate) rules: Option<PathBuf>,
    pub(crate) only: String,
    pub(crate) analytics: bool,
    pub(crate) check: Option<f64>,
    pub(crate) traces: Option<PathBuf>,
    pub(crate) alone: bool,
    /// All attacks lie in the same tables.
    pub(crate) together: bool,
    /// Variations of every attack.
    pub(crate) variations: u64,
}

impl Options {
    pub(crate) fn read() -> Result<Self, String> {
        let mut options = Self {
            seed: 1,
            mix: Mix::Company,
            callers: 1_000,
            days: 7,
            every: 15 * MINUTE,
            rules: None,
            only: String::new(),
            analytics: false,
            check: None,
            traces: None,
            alone: false,
            together: false,
            variations: 3,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--analytics" => options.analytics = true,
                "--alone" => options.alone = true,
                "--together" => options.together = true,
                _ => {
                    let value = arguments.next().ok_or(format!("{name} needs a value"))?;
                    options.set(&name, &value)?;
                }
            }
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = || {
            value
                .parse()
                .map_err(|_| format!("{name}: {value} is no number"))
        };
        match name {
            "--seed" => self.seed = u64::try_from(number()?).unwrap_or(1),
            "--variations" => self.variations = u64::try_from(number()?).unwrap_or(1),
            "--callers" => self.callers = number()?,
            "--days" => self.days = number()?.clamp(1, 28),
            "--every" => self.every = number()? * MINUTE,
            "--rules" => self.rules = Some(value.into()),
            "--only" => value.clone_into(&mut self.only),
            "--traces" => self.traces = Some(value.into()),
            "--check" => self.check = value.parse().ok(),
            "--mix" => {
                self.mix = match value {
                    "company" => Mix::Company,
                    "uniform" => Mix::Uniform,
                    "busy" => Mix::Busy,
                    _ => return Err(format!("--mix: company, uniform or busy, not {value}")),
                }
            }
            _ => return Err(format!("{name} is no option")),
        }
        Ok(())
    }

    /// The built-in rules, or those of a folder.
    pub(crate) fn catalogue(&self) -> Result<RuleCatalogue, String> {
        let Some(folder) = &self.rules else {
            return Ok(RuleCatalogue::builtin());
        };
        let mut catalogue = RuleCatalogue::default();
        catalogue.add_folder(folder);
        let problems: Vec<String> = catalogue
            .problems()
            .iter()
            .filter(|problem| problem.is_error())
            .map(atalaya_detect::RuleProblem::render)
            .collect();
        if problems.is_empty() {
            Ok(catalogue)
        } else {
            Err(problems.join("\n"))
        }
    }
}
