//! `SecurityAlert`: the alerts that rules raised, as rows, so that they can be hunted with KQL.

use crate::ColumnType::{DateTime, Dynamic, Int, Long, String};
use crate::{Column, Table};

/// Alerts. Names follow Microsoft Sentinel's `SecurityAlert` where it has the column.
pub(crate) const TABLE: Table = Table {
    name: "SecurityAlert",
    doc: "One row per alert.",
    id_column: "SystemAlertId",
    columns: &[
        Column::plain("TimeGenerated", DateTime, "When the rule fired, UTC."),
        Column::plain("SystemAlertId", String, "UUIDv7 of the alert."),
        Column::plain("AlertName", String, "Title of the rule."),
        Column::plain(
            "AlertSeverity",
            String,
            "informational, low, medium, high, critical.",
        ),
        Column::plain("RuleId", String, "Id of the rule."),
        Column::plain("RuleVersion", String, "Version of the rule."),
        Column::plain("RuleHash", String, "SHA-256 of the rule file, hexadecimal."),
        Column::plain("Techniques", Dynamic, "ATLAS technique ids."),
        Column::plain(
            "AtlasRelease",
            String,
            "ATLAS release that the ids refer to.",
        ),
        Column::personal(
            "Entities",
            Dynamic,
            "[{kind, value}]: what the alert is about.",
        ),
        Column::plain("StartTime", DateTime, "Time of the first record behind it."),
        Column::plain("EndTime", DateTime, "Time of the last record behind it."),
        Column::plain("RecordCount", Long, "Number of records behind it."),
        Column::plain("RecordIds", Dynamic, "Ids of the records behind it."),
        Column::personal("ExtendedProperties", Dynamic, "The result row that fired."),
        Column::plain("Status", String, "new, active, closed."),
        Column::plain("SchemaVersion", Int, "Version of this row's schema."),
    ],
};
