//! The ordered list of tables.

mod ai_guardrail_decisions;
mod api_access_log;
mod audit_log;
mod model_inference_log;
mod security_alert;
mod security_events;

use crate::Table;

/// Every table, in the order in which documentation lists them.
pub const ALL: &[&Table] = &[
    &ai_guardrail_decisions::TABLE,
    &model_inference_log::TABLE,
    &audit_log::TABLE,
    &api_access_log::TABLE,
    &security_events::TABLE,
    &security_alert::TABLE,
];

/// The table of that exact name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Table> {
    ALL.iter().copied().find(|table| table.name == name)
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::collections::HashSet;

    #[test]
    fn every_table_has_time_first_an_id_and_documented_columns_unique_in_any_case() {
        for table in ALL {
            assert_eq!(table.columns[0].name, "TimeGenerated", "{}", table.name);
            assert!(
                table.column(table.id_column).is_some(),
                "{}: id",
                table.name
            );
            let mut seen = HashSet::new();
            for column in table.columns {
                assert!(
                    seen.insert(column.name.to_ascii_lowercase()),
                    "{}.{} twice",
                    table.name,
                    column.name
                );
                assert!(
                    column.doc.ends_with('.'),
                    "{}.{} doc",
                    table.name,
                    column.name
                );
            }
        }
    }
}
