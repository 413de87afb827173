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
    /// `set name = value` statements, in order.
    pub sets: Vec<(Name, Option<Expr>)>,
    /// Let statements and declarations, in order.
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
    /// `declare pattern name = (a: string)[b: string] { … }`.
    Pattern(Box<Pattern>),
}

/// A declared pattern: row sets by the values of arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Names and types of the arguments.
    pub parameters: Vec<(Name, Name)>,
    /// Name and type of what may follow the arguments behind a dot.
    pub path: Option<(Name, Name)>,
    /// The row sets.
    pub matches: Vec<PatternMatch>,
}

/// One row set of a pattern: `("a").["b"] = { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternMatch {
    /// The values of the arguments.
    pub arguments: Vec<String>,
    /// What follows behind a dot.
    pub path: Option<String>,
    /// The rows.
    pub body: Pipeline,
    /// Where it stands.
    pub span: Span,
}

/// A let-bound function.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// Whether a union's wildcard finds it (`view () { … }`).
    pub is_view: bool,
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
    Call(Name, Vec<NamedExpr>),
    /// `pattern("a").b`
    Pattern(Name, Vec<NamedExpr>, Name),
    /// In parentheses.
    Nested(Box<Pipeline>),
    /// `datatable (a: long, …) [ … ]`.
    Datatable(Vec<(Name, Name)>, Vec<Expr>),
    /// `print a = …`.
    Print(Vec<NamedExpr>),
    /// `range x from a to b step c`.
    Range(Name, Box<[Expr; 3]>),
    /// `externaldata (a: long, …) [ "url", … ] with (…)`
    External(ExternalArgs),
    /// `find …`
    Find(Box<FindArgs>),
    /// `search …` at the start.
    Search(SearchArgs),
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
    /// `where name = …`, which Kusto reads as a named condition.
    WhereNamed(Name, Expr),
    /// `project`
    Project(Vec<NamedExpr>),
    /// `project-away`, names may have wildcards
    ProjectAway(Vec<Name>),
    /// `project-keep`
    ProjectKeep(Vec<Name>),
    /// `project-rename`
    ProjectRename(Vec<NamedExpr>),
    /// `project-reorder`
    ProjectReorder(Vec<(Name, Option<NameOrder>)>),
    /// `project-by-names 'a', dynamic(['b*'])`
    ProjectByNames(Vec<Expr>),
    /// `assert-schema (a: long, …)`
    AssertSchema(Vec<(Name, Name)>),
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
    /// `consume`
    Consume,
    /// `render kind with (…)`
    Render(Name, Vec<(Name, String)>),
    /// `parse`, `parse-where`
    Parse(Box<ParseArgs>),
    /// `parse-kv`
    ParseKv(Box<ParseKvArgs>),
    /// `mv-apply … on ( … )`
    MvApply(ExpandArgs, Vec<Operator>),
    /// `partition by column ( … )`
    Partition(Name, Vec<Operator>),
    /// `partition by column { query }`: the query sees the column's value as `toscalar(column)`.
    PartitionFree(Name, Box<Pipeline>),
    /// `search`
    Search(SearchArgs),
    /// `make-series`
    MakeSeries(Box<SeriesArgs>),
    /// `evaluate plugin(…) : (a: long, …)`
    Evaluate(Box<EvaluateArgs>),
    /// `sample`
    Sample(Expr),
    /// `sample-distinct n of …`
    SampleDistinct(Expr, Expr),
    /// `top-hitters n of … by …`
    TopHitters(Expr, NamedExpr, Option<NamedExpr>),
    /// `top-nested …, top-nested …`
    TopNested(Vec<NestedLevel>),
    /// `scan … with (…)`
    Scan(Box<ScanArgs>),
    /// `invoke f(…)`
    Invoke(Name, Vec<NamedExpr>),
    /// `fork name = (…) (…)`
    Fork(Vec<(Option<Name>, Vec<Operator>)>),
    /// `facet by column, … with (…)`
    Facet(Vec<Name>, Vec<Operator>),
    /// `reduce by expression with option = value, …`
    Reduce(Expr, Vec<(Name, Expr)>),
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

/// How columns of a pattern are ordered by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameOrder {
    /// `desc`, `granny-desc`
    pub descending: bool,
    /// `granny-…`: numbers inside of names count as numbers.
    pub by_number: bool,
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
    /// `on`; empty where it is missing, which has been said.
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

/// Arguments of a find.
#[derive(Clone, Debug, PartialEq)]
pub struct FindArgs {
    /// `withsource=`.
    pub with_source: Option<Name>,
    /// `in (…)`; all tables if there are none.
    pub tables: Vec<Name>,
    /// `where`.
    pub predicate: Expr,
    /// `project`: columns, some with a type.
    pub project: Option<Vec<(Name, Option<Name>)>>,
    /// Whether `pack(*)` is projected.
    pub packs: bool,
}

/// Arguments of an externaldata.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalArgs {
    /// Columns and their types.
    pub columns: Vec<(Name, Name)>,
    /// Where the data lie.
    pub urls: Vec<Expr>,
    /// `with (name=value, …)`.
    pub properties: Vec<(Name, Expr)>,
}

/// Arguments of a parse.
#[derive(Clone, Debug, PartialEq)]
pub struct ParseArgs {
    /// Rows that do not match are dropped (`parse-where`).
    pub drops: bool,
    /// `kind=`: `simple`, `relaxed` or `regex`.
    pub kind: Option<Name>,
    /// `flags=` of a regular expression.
    pub flags: Option<Name>,
    /// What is parsed.
    pub expr: Expr,
    /// The pattern.
    pub items: Vec<ParseItem>,
}

/// A piece of the pattern of a parse.
#[derive(Clone, Debug, PartialEq)]
pub enum ParseItem {
    /// `*`: anything.
    Star,
    /// Text, or a regular expression.
    Text(String),
    /// A column and its type.
    Column(Name, Option<Name>),
}

/// Arguments of a parse-kv.
#[derive(Clone, Debug, PartialEq)]
pub struct ParseKvArgs {
    /// What is parsed.
    pub expr: Expr,
    /// Keys and their types.
    pub keys: Vec<(Name, Name)>,
    /// `with (name=value, …)`.
    pub options: Vec<(Name, Expr)>,
}

/// Arguments of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchArgs {
    /// `kind=case_sensitive`.
    pub case_sensitive: bool,
    /// `in (T1, T2)`, names may have wildcards.
    pub tables: Vec<Name>,
    /// What is looked for.
    pub predicate: Expr,
}

/// Arguments of an evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluateArgs {
    /// The plugin.
    pub plugin: Name,
    /// Its arguments.
    pub args: Vec<NamedExpr>,
    /// Whether the declared columns come after the input's (`: (*, a: long)`).
    pub keeps_input: bool,
    /// Declared columns and their types.
    pub columns: Option<Vec<(Name, Name)>>,
}

/// Arguments of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanArgs {
    /// `with_match_id=`.
    pub match_id: Option<Name>,
    /// `declare (…)`: name, type, default.
    pub declared: Vec<(Name, Name, Option<Expr>)>,
    /// Steps.
    pub steps: Vec<ScanStep>,
}

/// One step of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanStep {
    /// Its name.
    pub name: Name,
    /// `output=`: `all`, `last` or `none`.
    pub output: Option<Name>,
    /// Which rows match.
    pub condition: Expr,
    /// Values of declared columns.
    pub assigns: Vec<(Name, Expr)>,
}

/// One level of a top-nested.
#[derive(Clone, Debug, PartialEq)]
pub struct NestedLevel {
    /// How many; all without.
    pub count: Option<Expr>,
    /// Of what.
    pub of: NamedExpr,
    /// By which aggregate.
    pub by: NamedExpr,
    /// `desc`, the default.
    pub descending: bool,
}

/// Arguments of a make-series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesArgs {
    /// `kind=nonempty`: no rows give one series of defaults.
    pub is_nonempty: bool,
    /// Aggregates and the values of empty bins.
    pub aggregates: Vec<(NamedExpr, Option<Expr>)>,
    /// The axis.
    pub axis: NamedExpr,
    /// `from`, inclusive.
    pub from: Option<Expr>,
    /// `to`, exclusive; inclusive if it comes from `in range(…)`.
    pub to: Option<Expr>,
    /// Whether `to` is itself a point.
    pub to_is_inclusive: bool,
    /// `step`.
    pub step: Expr,
    /// `by`.
    pub groups: Vec<NamedExpr>,
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
