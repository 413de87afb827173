//! Rules that were read together.

use atalaya_model::{Diagnostic, Span};

use super::correlation::Correlation;
use super::rule::{Filter, Metadata, Rule};

/// All rules of a file, or of several files that were linked.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// Rules about single events.
    pub rules: Vec<Rule>,
    /// Rules about many events.
    pub correlations: Vec<Correlation>,
    /// Filters; they are joined to the rules' conditions already.
    pub filters: Vec<Filter>,
    /// Remarks that do not keep the rules from running. Spans lie in the text of the one file;
    /// remarks about several files are kept by who read them.
    pub remarks: Vec<Diagnostic>,
    /// Changes of the text that mend what remarks are about (`rules check --fix`).
    pub fixes: Vec<Edit>,
}

/// A change of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub text: String,
    /// The remark that it mends.
    pub code: &'static str,
    /// Which of the files that were read together.
    pub file: usize,
}

/// A rule of a collection by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// Index in [`Collection::rules`].
    Rule(usize),
    /// Index in [`Collection::correlations`].
    Correlation(usize),
}

impl Collection {
    /// Adds the rules of another collection; references stay within where they were.
    pub fn append(&mut self, mut other: Self) {
        let (rules, correlations) = (self.rules.len(), self.correlations.len());
        for correlation in &mut other.correlations {
            for reference in &mut correlation.rules {
                reference.target = reference.target.map(|target| match target {
                    Target::Rule(index) => Target::Rule(rules + index),
                    Target::Correlation(index) => Target::Correlation(correlations + index),
                });
            }
        }
        self.rules.append(&mut other.rules);
        self.correlations.append(&mut other.correlations);
        self.filters.append(&mut other.filters);
    }

    /// What is said about a rule.
    #[must_use]
    pub fn metadata(&self, target: Target) -> Option<&Metadata> {
        match target {
            Target::Rule(index) => self.rules.get(index).map(|rule| &rule.metadata),
            Target::Correlation(index) => {
                let correlation = self.correlations.get(index);
                correlation.map(|correlation| &correlation.metadata)
            }
        }
    }

    /// Whether matches of it are alerts: those of a rule that a correlation is made of are not,
    /// unless the correlation says `generate`.
    #[must_use]
    pub fn raises_alerts(&self, target: Target) -> bool {
        let mut users = self.correlations.iter().filter(|correlation| {
            let mut rules = correlation.rules.iter();
            rules.any(|reference| reference.target == Some(target))
        });
        let mut used = false;
        let generates = users.any(|user| {
            used = true;
            user.generate
        });
        generates || !used
    }

    /// The rules whose matches are alerts, in order: correlations first.
    pub fn alerting(&self) -> impl Iterator<Item = Target> {
        let correlations = (0..self.correlations.len()).map(Target::Correlation);
        let rules = (0..self.rules.len()).map(Target::Rule);
        correlations
            .chain(rules)
            .filter(|target| self.raises_alerts(*target))
    }
}
