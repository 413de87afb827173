//! The bound tree: a query whose names, types and columns are resolved.
//!
//! It is what an engine lowers, so it says little in many words: every node carries its output
//! schema and its source span, every expression its type; columns are indices into the schema of
//! the (only) input, or of left ++ right for a join. Shorthand is gone: `extend`, `project-away`
//! and `project-rename` are [`RelOp::Project`]; `top` is a sort and a take; `count` and `distinct`
//! are aggregations; the inputs of a union are projected to its schema.

use atalaya_model::Span;

/// A scalar type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `bool`
    Bool,
    /// `int`, 32 bits
    Int,
    /// `long`, 64 bits
    Long,
    /// `real`, IEEE 754 binary64
    Real,
    /// `decimal`
    Decimal,
    /// `string`, never null
    String,
    /// `datetime`, ticks of 100 ns since 0001-01-01 UTC
    DateTime,
    /// `timespan`, ticks of 100 ns
    Timespan,
    /// `guid`
    Guid,
    /// `dynamic`
    Dynamic,
}

impl Type {
    /// Kusto's name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Long => "long",
            Self::Real => "real",
            Self::Decimal => "decimal",
            Self::String => "string",
            Self::DateTime => "datetime",
            Self::Timespan => "timespan",
            Self::Guid => "guid",
            Self::Dynamic => "dynamic",
        }
    }

    /// The type of a name, aliases included (`boolean`, `double`, `date`, `time`, …).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "bool" | "boolean" => Self::Bool,
            "int" | "int32" | "uint" => Self::Int,
            "long" | "int64" | "ulong" => Self::Long,
            "real" | "double" => Self::Real,
            "decimal" => Self::Decimal,
            "string" => Self::String,
            "datetime" | "date" => Self::DateTime,
            "timespan" | "time" => Self::Timespan,
            "guid" | "uuid" | "uniqueid" => Self::Guid,
            "dynamic" => Self::Dynamic,
            _ => return None,
        })
    }

    /// `int`, `long`, `real` or `decimal`.
    #[must_use]
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Real | Self::Decimal)
    }
}

/// A column of a row set.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// Name, exact case.
    pub name: String,
    /// Type.
    pub ty: Type,
    /// Inclusive range of possible values, where one is known.
    pub range: Option<(f64, f64)>,
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Null of the expression's type.
    Null,
    /// `bool`
    Bool(bool),
    /// `int` or `long`, by the expression's type.
    Long(i64),
    /// `real`
    Real(f64),
    /// `decimal`, as written.
    Decimal(String),
    /// `string`
    String(String),
    /// `datetime`, ticks since 0001-01-01.
    DateTime(i64),
    /// `timespan`, ticks.
    Timespan(i64),
    /// `guid`, lower case with hyphens.
    Guid(String),
    /// `dynamic`, as JSON text.
    Dynamic(String),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Where it was written.
    pub span: Span,
    /// Inclusive range of possible values, where one is known.
    pub range: Option<(f64, f64)>,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A column of the input.
    Column(usize),
    /// A constant.
    Literal(Literal),
    /// A scalar function or operator by its canonical name: `+`, `==`, `has`, `in~`, `tolower`,
    /// `unary-`, `between`. Window functions (`prev`, `row_number`, …) too: their input is
    /// serialized. Path access is `path` with the base and constant or computed steps.
    Call {
        /// Canonical name.
        name: String,
        /// Arguments.
        args: Vec<Expr>,
    },
    /// `toscalar(…)`: first column of the first row.
    ToScalar(Box<RelNode>),
    /// One-column row set used as a set of values (`in (T | project x)`).
    ValueSet(Box<RelNode>),
}

/// One aggregate of a summarize.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCall {
    /// Canonical name: `count`, `sum`, `dcount`, `arg_max`, …. `arg_max(k, v)` with one value: a
    /// summarize with several values calls it several times with the same key.
    pub name: String,
    /// Arguments over the input.
    pub args: Vec<Expr>,
    /// Type of the result.
    pub ty: Type,
    /// Where it was written.
    pub span: Span,
}

/// One key of a sort.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// By what.
    pub expr: Expr,
    /// Descending (Kusto's default).
    pub descending: bool,
    /// Nulls before everything else.
    pub nulls_first: bool,
}

/// Flavours of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// Left rows with equal keys count once (Kusto's default).
    InnerUnique,
    /// All pairs.
    Inner,
    /// All pairs, and left rows without a partner.
    LeftOuter,
    /// All pairs, and right rows without a partner.
    RightOuter,
    /// All pairs, and rows of both sides without a partner.
    FullOuter,
    /// Left rows with a partner.
    LeftSemi,
    /// Right rows with a partner.
    RightSemi,
    /// Left rows without a partner.
    LeftAnti,
    /// Right rows without a partner.
    RightAnti,
}

/// One column of an mv-expand.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpandColumn {
    /// Index of the output column.
    pub column: usize,
    /// What is expanded, over the input.
    pub expr: Expr,
    /// Type of the elements (`to typeof(…)`, `dynamic` without).
    pub ty: Type,
}

/// Which rows of a step are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOutput {
    /// All.
    All,
    /// The last of each match.
    Last,
    /// None.
    Nothing,
}

/// A step of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanStep {
    /// Which rows belong to it.
    pub condition: Expr,
    /// Declared columns (by number) and their new values.
    pub assigns: Vec<(usize, Expr)>,
    /// What is shown.
    pub output: ScanOutput,
}

/// A relational operator.
#[derive(Clone, Debug, PartialEq)]
pub enum RelOp {
    /// A table of the catalogue; its schema is the catalogue's.
    Table(String),
    /// `externaldata`: rows of files at these addresses.
    External {
        /// Where the data lie.
        urls: Vec<String>,
        /// `format=`.
        format: Option<String>,
        /// `ignoreFirstRecord=true`.
        skips_first: bool,
    },
    /// Constant rows.
    Values(Vec<Vec<Expr>>),
    /// `range x from a to b step c`; one column.
    Range {
        /// First value.
        from: Expr,
        /// Last value, inclusive.
        to: Expr,
        /// Step.
        step: Expr,
    },
    /// A let-bound `materialize(…)`: computed once; `BoundQuery::materialized[index]`.
    Materialized(usize),
    /// Rows for which the predicate is true.
    Filter {
        /// Input.
        input: Box<RelNode>,
        /// Predicate; null counts as false.
        predicate: Expr,
    },
    /// One expression per output column. Keeps the order of rows.
    Project {
        /// Input.
        input: Box<RelNode>,
        /// Expressions over the input.
        exprs: Vec<Expr>,
    },
    /// Grouping. Output: groups, then aggregates. Without groups exactly one row.
    Aggregate {
        /// Input.
        input: Box<RelNode>,
        /// Group keys over the input; null is a value.
        groups: Vec<Expr>,
        /// Aggregates.
        aggregates: Vec<AggregateCall>,
    },
    /// Ordering.
    Sort {
        /// Input.
        input: Box<RelNode>,
        /// Keys.
        keys: Vec<SortKey>,
    },
    /// At most so many rows.
    Take {
        /// Input.
        input: Box<RelNode>,
        /// How many.
        count: u64,
    },
    /// Output: all left columns, then all right columns (for semi and anti: one side's only).
    Join {
        /// Left input.
        left: Box<RelNode>,
        /// Right input.
        right: Box<RelNode>,
        /// Flavour.
        kind: JoinKind,
        /// Pairs of (left column, right column) that must be equal; null equals null.
        keys: Vec<(usize, usize)>,
    },
    /// All rows of all inputs; all have the schema of this node.
    Union(Vec<RelNode>),
    /// One row per element. Output: the input's columns, expanded ones replaced or appended,
    /// then the index column if there is one.
    Expand {
        /// Input.
        input: Box<RelNode>,
        /// What is expanded, in step, to the longest.
        columns: Vec<ExpandColumn>,
        /// Name the position: the last column of the schema.
        with_index: bool,
        /// Bags become `[key, value]` pairs instead of single-property bags.
        as_pairs: bool,
        /// Most rows per input row.
        limit: Option<u64>,
    },
    /// Runs `body` once for the rows of every distinct key, in order of first appearance.
    /// Output: the carried columns of the rows' first one, then the body's columns.
    Each {
        /// Input.
        input: Box<RelNode>,
        /// Columns that rows of one partition have in common.
        keys: Vec<usize>,
        /// Columns put before the body's.
        carried: Vec<usize>,
        /// What is run; it reads the partition as `Materialized(slot)`.
        body: Box<RelNode>,
        /// Where the body finds its rows.
        slot: usize,
        /// How many of the input's columns the body sees, from the first on.
        width: usize,
    },
    /// Rows whose address (the input's last column) lies in a network of the lookup, with the
    /// columns of its narrowest one. Output: the input's columns but the last, the lookup's.
    NetworkLookup {
        /// Input.
        input: Box<RelNode>,
        /// Networks.
        lookup: Box<RelNode>,
        /// Column of the lookup that holds the networks.
        network: usize,
        /// Pairs of (input column, lookup column) that must be equal too.
        keys: Vec<(usize, usize)>,
        /// Rows without a network are kept.
        keeps_unmatched: bool,
    },
    /// A state machine over rows in order. Output: the input's columns, the declared ones, then
    /// the number of the match if it has a name.
    Scan {
        /// Input.
        input: Box<RelNode>,
        /// Values that declared columns have before anything is assigned.
        defaults: Vec<Expr>,
        /// Steps. Their expressions see the input's columns, then for every step the input's
        /// columns and the declared ones as the step's last row left them.
        steps: Vec<ScanStep>,
        /// Name the match: the last column of the schema.
        with_match_id: bool,
    },
    /// Arrays over equal steps. Input: groups, the step's start, aggregates, in any order of
    /// rows. Output: groups, one array per aggregate, the array of starts.
    Series {
        /// Input.
        input: Box<RelNode>,
        /// How many columns are groups.
        groups: usize,
        /// First start; the least of the input where missing.
        from: Option<Expr>,
        /// End, exclusive; just after the greatest of the input where missing.
        to: Option<Expr>,
        /// Step.
        step: Expr,
        /// What stands in empty steps, one per aggregate.
        defaults: Vec<Expr>,
        /// No rows give one series of defaults.
        is_nonempty: bool,
    },
    /// Marks the order of rows as meaningful.
    Serialize(Box<RelNode>),
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct RelNode {
    /// What it does.
    pub op: RelOp,
    /// Columns of its result.
    pub schema: Vec<ColumnDef>,
    /// Where it was written.
    pub span: Span,
    /// Whether the order of its rows is meaningful.
    pub serialized: bool,
}

/// How the result wants to be shown: `render KIND with (name=value, …)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Render {
    /// Kind of chart.
    pub kind: String,
    /// Properties.
    pub properties: Vec<(String, String)>,
}

/// One of several results.
#[derive(Clone, Debug, PartialEq)]
pub struct Further {
    /// What the query calls it.
    pub name: Option<String>,
    /// Its rows.
    pub root: RelNode,
}

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundQuery {
    /// Let-bound `materialize(…)`, each computed once, in order of definition.
    pub materialized: Vec<RelNode>,
    /// The query.
    pub root: RelNode,
    /// Its results after the first one: of `fork` and `facet`.
    pub further: Vec<Further>,
    /// How the result wants to be shown.
    pub render: Option<Render>,
    /// How large its results may be.
    pub truncation: Truncation,
}

/// What `set` statements say of the size of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truncation {
    /// `notruncation`: as large as whoever runs the query allows.
    pub is_lifted: bool,
    /// `truncationmaxrecords`.
    pub rows_max: Option<u64>,
    /// `truncationmaxsize`, bytes.
    pub bytes_max: Option<u64>,
}
