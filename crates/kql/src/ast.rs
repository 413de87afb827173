//! The syntax tree, with a span on everything.

use atalaya_model::Span;

/// A name and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name, unquoted.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A whole text: statements separated by semicolons.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// Let statements, in order.
    pub lets: Vec<Let>,
    /// The query.
    pub query: Option<Pipeline>,
}

/// `let name = value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// The name.
    pub name: Name,
    /// What it stands for.
    pub value: LetValue,
}

/// What a let can stand for.
#[derive(Clone, Debug, PartialEq)]
pub enum LetValue {
    /// A scalar expression, or a name that may be a table.
    Scalar(Expr),
    /// A row set.
    Tabular(Pipeline),
    /// `materialize(…)`.
    Materialize(Pipeline),
    /// `(a: long, T: (x: string)) { … }`.
    Function(Box<Lambda>),
}

/// A let-bound function.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Let statements of the body.
    pub lets: Vec<Let>,
    /// The body's value.
    pub body: LetValue,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// Scalar type name, or nothing for a row set.
    pub ty: Option<Name>,
    /// Default value.
    pub default: Option<Expr>,
}

/// A source and the operators after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Where the rows come from.
    pub source: Source,
    /// What is done with them.
    pub operators: Vec<Operator>,
    /// Where it stands.
    pub span: Span,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A table, a let-bound row set or a function call.
    Name(Name),
    /// `f(…)`.
    Call(Name, Vec<Expr>),
    /// In parentheses.
    Nested(Box<Pipeline>),
    /// `datatable (a: long, …) [ … ]`.
    Datatable(Vec<(Name, Name)>, Vec<Expr>),
    /// `print a = …`.
    Print(Vec<NamedExpr>),
    /// `range x from a to b step c`.
    Range(Name, Box<[Expr; 3]>),
    /// `union …` at the start.
    Union(UnionArgs),
    /// `materialize(…)` in place.
    Materialize(Box<Pipeline>),
}

/// An operator and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    /// What it does.
    pub kind: OperatorKind,
    /// Where, keyword included.
    pub span: Span,
}

/// What an operator does.
#[derive(Clone, Debug, PartialEq)]
pub enum OperatorKind {
    /// `where`, `filter`
    Where(Expr),
    /// `project`
    Project(Vec<NamedExpr>),
    /// `project-away`, names may have wildcards
    ProjectAway(Vec<Name>),
    /// `project-keep`
    ProjectKeep(Vec<Name>),
    /// `project-rename`
    ProjectRename(Vec<NamedExpr>),
    /// `project-reorder`
    ProjectReorder(Vec<(Name, Option<bool>)>),
    /// `extend`
    Extend(Vec<NamedExpr>),
    /// `summarize … by …`
    Summarize(Vec<NamedExpr>, Vec<NamedExpr>),
    /// `sort by`, `order by`
    Sort(Vec<SortArg>),
    /// `top n by …`
    Top(Expr, Vec<SortArg>),
    /// `take`, `limit`
    Take(Expr),
    /// `count`
    Count(Option<Name>),
    /// `distinct`; empty means `*`
    Distinct(Vec<NamedExpr>),
    /// `join kind=… (…) on …`
    Join(JoinArgs),
    /// `lookup kind=… (…) on …`
    Lookup(JoinArgs),
    /// `union …`
    Union(UnionArgs),
    /// `mv-expand`
    MvExpand(ExpandArgs),
    /// `serialize`
    Serialize(Vec<NamedExpr>),
    /// `as name`
    As(Name),
    /// `getschema`
    GetSchema,
    /// `render kind with (…)`
    Render(Name, Vec<(Name, String)>),
    /// An operator that is known but not supported, or not known at all.
    Unsupported(Name),
}

/// `name = expression`, `(a, b) = expression`, or an expression alone.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedExpr {
    /// The names, if given.
    pub names: Vec<Name>,
    /// The value.
    pub expr: Expr,
}

/// One key of a sort.
#[derive(Clone, Debug, PartialEq)]
pub struct SortArg {
    /// By what.
    pub expr: Expr,
    /// `asc` (false) or `desc` (true).
    pub descending: bool,
    /// `nulls first` or `nulls last`, if given.
    pub nulls_first: Option<bool>,
}

/// Arguments of a join or lookup.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinArgs {
    /// `kind=`, if given.
    pub kind: Option<Name>,
    /// The right side.
    pub right: Pipeline,
    /// `on`.
    pub on: Vec<Expr>,
}

/// Arguments of a union.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnionArgs {
    /// `kind=inner`.
    pub is_inner: bool,
    /// `withsource=`.
    pub with_source: Option<Name>,
    /// `isfuzzy=true`.
    pub is_fuzzy: bool,
    /// The inputs.
    pub inputs: Vec<Pipeline>,
}

/// Arguments of an mv-expand.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpandArgs {
    /// `with_itemindex=`.
    pub with_index: Option<Name>,
    /// `kind=array` or `bagexpansion=array`.
    pub as_pairs: bool,
    /// Columns, with `to typeof(…)`.
    pub columns: Vec<(NamedExpr, Option<Name>)>,
    /// `limit`.
    pub limit: Option<Expr>,
}

/// An expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A name.
    Name(String),
    /// A whole number.
    Long(i64),
    /// A number.
    Real(f64),
    /// A string.
    String(String),
    /// `true`, `false`
    Bool(bool),
    /// Ticks.
    Timespan(i64),
    /// `datetime(…)`, `dynamic(…)`, `long(…)`, …: type name and the raw text inside.
    TypedLiteral(String, String),
    /// `f(a, b)`; named arguments keep their names.
    Call(String, Vec<NamedExpr>),
    /// `a.b`
    Member(Box<Expr>, Name),
    /// `a[b]`
    Index(Box<Expr>, Box<Expr>),
    /// Unary `-`, `+`.
    Unary(&'static str, Box<Expr>),
    /// A binary operator by its name.
    Binary(String, Box<Expr>, Box<Expr>),
    /// `x between (a .. b)`; the operator's name, and whether a comma stood for the dots.
    Between {
        /// `between` or `!between`.
        name: String,
        /// What is compared.
        value: Box<Expr>,
        /// Lower bound, inclusive.
        low: Box<Expr>,
        /// Upper bound, inclusive.
        high: Box<Expr>,
        /// Where a comma stood for the two dots.
        comma: Option<Span>,
    },
    /// `x in (a, b)`, `has_any`, …
    In(String, Box<Expr>, Vec<InItem>),
    /// `toscalar(…)`
    ToScalar(Box<Pipeline>),
    /// `*`
    Star,
    /// `$left.a`, `$right.b`
    Side(bool, Name),
    /// What could not be read; a diagnostic has been given.
    Error,
}

/// A member of an `in` list.
#[derive(Clone, Debug, PartialEq)]
pub enum InItem {
    /// A scalar.
    Scalar(Expr),
    /// A row set.
    Rows(Pipeline),
}
