//! Every log table once: column, type, meaning, sensitivity.
//!
//! Arrow schemas (`lake`), the KQL catalogue (`query`), Sigma's field taxonomy (`sigma`) and the
//! documentation are derived from these lists; nobody else spells a column's type.
//!
//! Conventions: PascalCase names, as in Log Analytics; units last in the name; a column of type
//! [`ColumnType::Dynamic`] is stored as JSON text. Adding a table is one file in `tables/`.

mod column;
pub mod tables;

pub use column::{Column, ColumnType, Sensitivity, Table};
pub use tables::{ALL, find};
