//! Why a query may differ from the community's: each reason knows its own differences. What no
//! reason knows is a defect. `docs/sigma-conversion.md` has the same list in words.

/// A recorded query and what ours is.
pub(crate) struct Pair<'p> {
    pub(crate) backend: &'p str,
    pub(crate) theirs: &'p str,
    /// The query, or why there is none.
    pub(crate) ours: Result<&'p str, &'p str>,
}

type Knows = fn(&Pair<'_>) -> bool;

/// Reason, and whether it explains a difference. The first that does counts.
const REASONS: &[(&str, Knows)] = &[
    ("byte order mark as UTF-8", |pair| {
        pair.theirs.contains("77u")
    }),
    ("no column of that name in the table", |pair| {
        pair.refused("has no column for the field")
    }),
    ("keywords are no condition of EQL", |pair| {
        pair.backend == "eql" && pair.refused("for a keyword")
    }),
    ("correlations that EQL does not have", |pair| {
        pair.backend == "eql"
            && ["EQL cannot say a correlation", "EQL counts", "EQL says"]
                .iter()
                .any(|why| pair.refused(why))
    }),
    ("a sequence that ends in a dangling `by`", |pair| {
        pair.backend == "eql" && pair.theirs.contains("by  with runs=")
    }),
    ("more than n is at least n + 1", |pair| {
        pair.backend == "eql" && pair.ours().contains("with runs=")
    }),
    ("quotes within a regular expression", |pair| {
        pair.backend == "eql" && pair.theirs.contains("~ \"\"")
    }),
    ("cased wildcards are no `==`", |pair| {
        pair.backend == "eql" && pair.ours().contains(" like ") && pair.theirs.contains("== \"")
    }),
    ("`\\*` is no escape in a string", |pair| {
        pair.backend == "esql" && pair.theirs.contains("\\*") | pair.theirs.contains("\\?")
    }),
    ("regular expressions among alternatives", |pair| {
        pair.backend == "splunk" && pair.theirs.contains("Condition=\"true\"")
    }),
    ("types, null and anchors", |pair| {
        pair.backend == "kusto" && canonical(pair.theirs) == canonical(pair.ours())
    }),
    ("keywords are no condition of KQL", |pair| {
        pair.backend == "kusto"
            && (pair.ours().contains("* contains") || pair.ours().contains("pack_all()"))
    }),
    ("networks of IPv6, null under `not`", |pair| {
        pair.backend == "kusto" && pair.ours().contains("ipv6_is_in_range(")
    }),
    ("a folder before the last wildcard", |pair| {
        pair.backend == "kusto" && pair.theirs.contains("*\"")
    }),
    ("wildcards within a value, in order", |pair| {
        pair.backend == "kusto" && pair.ours().contains("matches regex \"(?is)")
    }),
    ("a value that is only a wildcard", |pair| {
        pair.backend == "kusto" && pair.theirs.contains("startswith \"\"")
    }),
    ("a test that theirs leaves out", |pair| {
        pair.backend == "kusto"
            && pair.ours().contains("ObjectType")
            && !pair.theirs.contains("ObjectType")
    }),
];

/// The reason for a difference.
pub(crate) fn reason(pair: &Pair<'_>) -> Option<&'static str> {
    let mut reasons = REASONS.iter();
    reasons
        .find(|(_, knows)| knows(pair))
        .map(|(reason, _)| *reason)
}

impl Pair<'_> {
    fn ours(&self) -> &str {
        self.ours.unwrap_or_default()
    }

    fn refused(&self, why: &str) -> bool {
        self.ours.is_err_and(|message| message.contains(why))
    }
}

/// Without the words for types, null, case and anchors, which KQL of ours says more exactly.
fn canonical(text: &str) -> String {
    let mut text = text.to_owned();
    for (from, to) in [
        ("tostring", ""),
        ("todouble", ""),
        ("coalesce", ""),
        (", false)", ")"),
        ("(?is)", ""),
        (".*", ""),
        ("=~", "="),
        ("==", "="),
        ("in~", "in"),
        ("isnotempty", "isnotnull"),
        ("isempty", "isnull"),
        ("['", "'"),
        ("']", "'"),
    ] {
        text = text.replace(from, to);
    }
    text.retain(|c| !c.is_whitespace() && !"()`\"^$'".contains(c));
    text
}
