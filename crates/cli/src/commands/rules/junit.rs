//! Results of tests as JUnit XML, which every build server reads.

use std::fmt::Write as _;
use std::path::Path;

use crate::exit::Failure;
use crate::output;

/// A case that ran.
pub(super) struct Case {
    /// The rule's file.
    pub(super) suite: String,
    pub(super) name: String,
    /// Why it failed.
    pub(super) failure: Option<String>,
}

pub(super) fn write(path: &Path, cases: &[Case]) -> Result<(), Failure> {
    let text = render(cases);
    if path.as_os_str() == "-" {
        return output::data(&text).map_err(|error| Failure::world("writing the results", error));
    }
    std::fs::write(path, text)
        .map_err(|error| Failure::world(format!("writing {}", path.display()), error))
}

fn render(cases: &[Case]) -> String {
    let failed = |cases: &[&Case]| cases.iter().filter(|case| case.failure.is_some()).count();
    let all: Vec<&Case> = cases.iter().collect();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"rules\" tests=\"{}\" failures=\"{}\">",
        all.len(),
        failed(&all)
    );
    let mut rest = all.as_slice();
    while let Some(first) = rest.first() {
        let end = rest
            .iter()
            .position(|case| case.suite != first.suite)
            .unwrap_or(rest.len());
        let (suite, later) = rest.split_at(end);
        rest = later;
        let name = escaped(&first.suite);
        let (tests, failures) = (suite.len(), failed(suite));
        let _ = writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">"
        );
        for case in suite {
            let title = escaped(&case.name);
            let _ = write!(out, "    <testcase classname=\"{name}\" name=\"{title}\"");
            match &case.failure {
                None => out.push_str("/>\n"),
                Some(why) => {
                    let why = escaped(why);
                    let _ = writeln!(out, "><failure message=\"{why}\"/></testcase>");
                }
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Case, render};

    #[test]
    fn suites_and_failures_are_counted() {
        let case = |suite: &str, failure: Option<&str>| Case {
            suite: suite.to_owned(),
            name: "a < b".to_owned(),
            failure: failure.map(str::to_owned),
        };
        let text = render(&[case("x", None), case("x", Some("\"no\"")), case("y", None)]);
        assert!(
            text.contains("<testsuites name=\"rules\" tests=\"3\" failures=\"1\">"),
            "{text}"
        );
        assert!(
            text.contains("<testsuite name=\"x\" tests=\"2\" failures=\"1\">"),
            "{text}"
        );
        assert!(
            text.contains("name=\"a &lt; b\"><failure message=\"&quot;no&quot;\"/>"),
            "{text}"
        );
    }
}
