//! The shape of a table description.

/// Column types, with Kusto's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// `bool`.
    Bool,
    /// `int`, 32 bits.
    Int,
    /// `long`, 64 bits.
    Long,
    /// `real`, IEEE 754 binary64.
    Real,
    /// `string`, never null in KQL.
    String,
    /// `datetime`, UTC; stored in microseconds.
    DateTime,
    /// `timespan`; stored as 100 ns ticks in a 64-bit integer.
    Timespan,
    /// `guid`; stored as text.
    Guid,
    /// `dynamic`; stored as JSON text.
    Dynamic,
}

impl ColumnType {
    /// Kusto's name of the type.
    #[must_use]
    pub const fn kusto_name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Long => "long",
            Self::Real => "real",
            Self::String => "string",
            Self::DateTime => "datetime",
            Self::Timespan => "timespan",
            Self::Guid => "guid",
            Self::Dynamic => "dynamic",
        }
    }
}

/// What a column may reveal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sensitivity {
    /// Facts about a call, no content.
    Plain,
    /// Identifies a person or an address.
    Personal,
    /// May hold prompt text or data taken from it.
    Sensitive,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name, PascalCase.
    pub name: &'static str,
    /// Type.
    pub ty: ColumnType,
    /// What it may reveal.
    pub sensitivity: Sensitivity,
    /// Meaning, unit and source, one sentence.
    pub doc: &'static str,
    /// Inclusive range of possible values, where one is known: lets a query be told that a
    /// condition on it can never hold.
    pub range: Option<(f64, f64)>,
}

impl Column {
    /// A column that reveals nothing about content or persons.
    #[must_use]
    pub const fn plain(name: &'static str, ty: ColumnType, doc: &'static str) -> Self {
        Self {
            name,
            ty,
            sensitivity: Sensitivity::Plain,
            doc,
            range: None,
        }
    }

    /// A column that identifies a person or an address.
    #[must_use]
    pub const fn personal(name: &'static str, ty: ColumnType, doc: &'static str) -> Self {
        Self {
            name,
            ty,
            sensitivity: Sensitivity::Personal,
            doc,
            range: None,
        }
    }

    /// A column that may hold prompt text.
    #[must_use]
    pub const fn sensitive(name: &'static str, ty: ColumnType, doc: &'static str) -> Self {
        Self {
            name,
            ty,
            sensitivity: Sensitivity::Sensitive,
            doc,
            range: None,
        }
    }

    /// The same with a known inclusive range of values.
    #[must_use]
    pub const fn within(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Name, as in a query.
    pub name: &'static str,
    /// What one row is.
    pub doc: &'static str,
    /// Columns in display order. The first is always `TimeGenerated`.
    pub columns: &'static [Column],
    /// The column that identifies a row (`DecisionId`, `EventId`).
    pub id_column: &'static str,
}

impl Table {
    /// The column of that exact name (names are case-sensitive, as in Kusto).
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}
