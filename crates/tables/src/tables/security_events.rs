//! `SecurityEvents`: process and logon events of hosts, in the shape of Windows' security log.

use crate::ColumnType::{DateTime, Dynamic, Int, Long, String};
use crate::{Column, Table};

/// Host events. Names follow Microsoft Sentinel's `SecurityEvent` where it has the column.
pub(crate) const TABLE: Table = Table {
    name: "SecurityEvents",
    doc: "One row per host security event.",
    id_column: "RecordId",
    columns: &[
        Column::plain("TimeGenerated", DateTime, "When it happened, UTC."),
        Column::plain(
            "RecordId",
            String,
            "Unique id of the row (`EventID` is the kind of event).",
        ),
        Column::plain(
            "EventID",
            Int,
            "Kind of event, e.g. 4688 (a process was created).",
        ),
        Column::plain("Computer", String, "Host."),
        Column::personal("Account", String, "Account, `DOMAIN\\user`."),
        Column::plain("AccountType", String, "`User` or `Machine`."),
        Column::plain("Process", String, "Name of the process."),
        Column::plain("ProcessId", String, "Process id, as logged."),
        Column::plain("NewProcessName", String, "Path of the process."),
        Column::plain("ParentProcessName", String, "Path of the parent process."),
        Column::sensitive("CommandLine", String, "Command line."),
        Column::plain("LogonType", Int, "Kind of logon."),
        Column::personal("IpAddress", String, "Remote address."),
        Column::plain("Activity", String, "Event id and title."),
        Column::plain("Channel", String, "Event channel."),
        Column::plain("EventRecordId", Long, "Record number in the channel."),
        Column::plain(
            "SourceType",
            String,
            "Where the row came from: the name of the ingest mapping.",
        ),
        Column::sensitive(
            "AdditionalFields",
            Dynamic,
            "Fields of the source that have no column.",
        ),
        Column::plain("SchemaVersion", Int, "Version of this row's schema."),
    ],
};
