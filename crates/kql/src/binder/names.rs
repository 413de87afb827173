//! Names of result columns that the query does not name.

use std::collections::{HashMap, HashSet};

use atalaya_model::Span;

use super::Binder;
use crate::ast::{Expr, ExprKind, Name, NamedExpr};
use crate::bound::ColumnDef;

/// Functions whose result keeps the name of their first argument.
const TRANSPARENT: [&str; 23] = [
    "round",
    "bin",
    "bin_auto",
    "bin_at",
    "floor",
    "ceiling",
    "startofday",
    "tostring",
    "toint",
    "tolong",
    "toreal",
    "todouble",
    "todecimal",
    "tobool",
    "toboolean",
    "todatetime",
    "totimespan",
    "toguid",
    "todynamic",
    "parse_json",
    "abs",
    "prev",
    "next",
];

/// Functions whose result is named after their first argument, with this before it.
const PREFIXED: [(&str, &str); 4] = [
    ("dcount_hll", "dcount_hll_"),
    ("percentile_tdigest", "percentile_tdigest_"),
    ("percentiles_array_tdigest", "percentile_tdigest_"),
    ("treepath", "tree_"),
];

/// The name that an expression gives its column, if it gives one.
pub(crate) fn implied(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Member(base, name) => Some(format!("{}_{}", implied(base)?, name.text)),
        ExprKind::Index(base, index) => match &index.kind {
            ExprKind::String(key) => Some(format!("{}_{key}", implied(base)?)),
            ExprKind::Long(at) => Some(format!("{}_{at}", implied(base)?)),
            _ => None,
        },
        ExprKind::Call(name, args) if PREFIXED.iter().any(|(known, _)| known == name) => {
            let (_, prefix) = PREFIXED.iter().find(|(known, _)| known == name)?;
            Some(format!("{prefix}{}", implied(&args.first()?.expr)?))
        }
        ExprKind::Call(name, _) if name == "hll_merge" => Some("hll_merged_result".to_owned()),
        ExprKind::Call(name, _) if matches!(name.as_str(), "tdigest_merge" | "merge_tdigest") => {
            Some("tdigests_merge_result".to_owned())
        }
        ExprKind::Call(name, args) if TRANSPARENT.contains(&name.as_str()) => {
            implied(&args.first()?.expr)
        }
        _ => None,
    }
}

/// The name of an expression over one aggregate: `tostring(make_set(a))` is `set_a`.
pub(crate) fn of_summary(expr: &Expr) -> Option<String> {
    let ExprKind::Call(name, args) = &expr.kind else {
        return None;
    };
    if crate::catalogue::aggregate(name).is_some() {
        let args: Vec<Expr> = args.iter().map(|arg| arg.expr.clone()).collect();
        return Some(of_aggregate(name, &args));
    }
    // `toint(Total = sum(a))`
    if let Some(given) = args.first().and_then(|arg| arg.names.first()) {
        return Some(given.text.clone());
    }
    if TRANSPARENT.contains(&name.as_str()) {
        return of_summary(&args.first()?.expr);
    }
    None
}

/// The name of an aggregate's column.
pub(crate) fn of_aggregate(name: &str, args: &[Expr]) -> String {
    let column = args.first().and_then(implied).unwrap_or_default();
    match name {
        "make_set" | "makeset" | "make_set_if" => format!("set_{column}"),
        "make_list" | "makelist" | "make_list_if" | "make_list_with_nulls" => {
            format!("list_{column}")
        }
        "make_bag" | "make_dictionary" => format!("bag_{column}"),
        "arg_max" | "arg_min" | "take_any" | "take_anyif" => column,
        "buildschema" => format!("schema_{column}"),
        "any" => format!("any_{column}"),
        "percentile" | "percentilew" => {
            let which = args.last().map(|arg| match &arg.kind {
                ExprKind::Long(value) => value.to_string(),
                ExprKind::Real(value) => value.to_string().replace('.', "_"),
                _ => String::new(),
            });
            format!("percentile_{column}_{}", which.unwrap_or_default())
        }
        "percentiles_array" | "percentilesw_array" => format!("percentiles_{column}"),
        "covariance" | "covarianceif" | "covariancep" | "covariancepif" => {
            let second = args.get(1).and_then(implied).unwrap_or_default();
            format!("{name}_{column}_{second}")
        }
        _ => format!("{name}_{column}"),
    }
}

/// The name that a column has and no other: one that the query gives it, or its own.
fn own(named: &NamedExpr) -> Option<(&str, Span)> {
    match (named.names.first(), &named.expr.kind) {
        (Some(name), _) => Some((&name.text, name.span)),
        (None, ExprKind::Name(name)) => Some((name, named.expr.span)),
        (None, _) => None,
    }
}

impl Binder<'_> {
    /// Whether a column's own name is not another one's already.
    pub(crate) fn is_own(&mut self, namer: &Namer, named: &NamedExpr) -> bool {
        let is_taken = |name: &str| namer.has(name) && !namer.spread.contains(name);
        let Some((name, span)) = own(named).filter(|(name, _)| is_taken(name)) else {
            return true;
        };
        self.is_there(name, span);
        false
    }

    /// Whether none of these names comes twice.
    pub(crate) fn check_once(&mut self, names: &[Name]) -> Option<()> {
        let mut before = HashSet::new();
        for name in names {
            if !before.insert(&name.text) {
                self.is_there(&name.text, name.span);
                return None;
            }
        }
        Some(())
    }

    fn is_there(&mut self, name: &str, span: Span) {
        let message = format!("a column `{name}` is there already");
        let help = format!("leave one out, or give it a name of its own: `Other = {name}`");
        self.error_help("KS171", span, message, help);
    }
}

/// Gives every column a name of its own: `Column1`, `Column2`, …, and a number after a clash.
#[derive(Debug, Default)]
pub(crate) struct Namer {
    taken: HashSet<String>,
    /// Those that a `*` brought, which give way to the query's own.
    spread: HashSet<String>,
    unnamed: usize,
    /// The last number that was put behind a name.
    numbers: HashMap<String, usize>,
}

impl Namer {
    pub(crate) fn with(columns: &[ColumnDef]) -> Self {
        Self {
            taken: columns.iter().map(|column| column.name.clone()).collect(),
            ..Self::default()
        }
    }

    /// Whether a column has that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    /// A name for a column that wants this one (or none).
    pub(crate) fn name(&mut self, wanted: Option<String>) -> String {
        let name = match wanted.filter(|name| !name.is_empty()) {
            Some(wanted) => self.free(&wanted),
            None => loop {
                self.unnamed += 1;
                let name = format!("Column{}", self.unnamed);
                if !self.taken.contains(&name) {
                    break name;
                }
            },
        };
        self.taken.insert(name.clone());
        name
    }

    /// A name for a column that a `*` brings.
    pub(crate) fn spread(&mut self, wanted: String) -> String {
        let name = self.name(Some(wanted));
        self.spread.insert(name.clone());
        name
    }

    fn free(&mut self, wanted: &str) -> String {
        if !self.has(wanted) {
            return wanted.to_owned();
        }
        let number = self.numbers.entry(wanted.to_owned()).or_default();
        loop {
            *number += 1;
            let name = format!("{wanted}{number}");
            if !self.taken.contains(&name) {
                return name;
            }
        }
    }
}
