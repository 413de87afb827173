//! `AuditLog`: what was done to data, models, configuration and pipelines, and by whom.

use crate::ColumnType::{Bool, DateTime, Dynamic, Int, Long, Real, String};
use crate::{Column, Table};

/// Data-pipeline audit log.
pub(crate) const TABLE: Table = Table {
    name: "AuditLog",
    doc: "One row per act on training data, a model artefact, a pipeline or its configuration.",
    id_column: "EventId",
    columns: &[
        Column::plain("TimeGenerated", DateTime, "When it was done, UTC."),
        Column::plain("EventId", String, "Unique id of the row."),
        Column::plain("TenantId", String, "Tenant."),
        Column::plain("TraceId", String, "W3C trace id."),
        Column::personal(
            "PerformedBy_UPN",
            String,
            "Who did it: user principal name.",
        ),
        Column::personal("UserId", String, "Caller id, where the source has one."),
        Column::plain("CallerKeyId", String, "Id of the caller's key."),
        Column::personal("AgentId", String, "Agent id."),
        Column::personal("SrcIpAddr", String, "Client address."),
        Column::plain(
            "Operation",
            String,
            "What was done, e.g. `modify`, `delete`, `upload`.",
        ),
        Column::plain(
            "Resource",
            String,
            "What it was done to: kind or path, e.g. `training_data`.",
        ),
        Column::plain("ResourceName", String, "Name of that thing."),
        Column::plain(
            "ResourceType",
            String,
            "dataset, artifact, config, tool, index.",
        ),
        Column::plain(
            "OldValue",
            String,
            "Value before, as text (a record count, a setting).",
        ),
        Column::plain("NewValue", String, "Value after, as text."),
        Column::plain("Result", String, "`success` or `failure`."),
        Column::plain("Stage", String, "Pipeline stage."),
        Column::plain("JobId", String, "Job that did it."),
        Column::plain("ChangeId", String, "Approved change it belongs to."),
        Column::plain("Version", String, "Version of the resource."),
        Column::plain("SourceUri", String, "Where the data came from."),
        Column::plain("Format", String, "File format."),
        Column::plain("Magic", String, "File format by its first bytes."),
        Column::plain("SizeBytes", Long, "Size in bytes."),
        Column::plain("Sha256", String, "SHA-256 of the content."),
        Column::plain("PrevSha256", String, "SHA-256 before the change."),
        Column::plain("ApprovedSha256", String, "SHA-256 that was approved."),
        Column::plain("TemplateSha256", String, "SHA-256 of the chat template."),
        Column::plain("Signer", String, "Who signed it."),
        Column::plain("SigVerified", Bool, "Whether the signature was verified."),
        Column::plain("ScanVerdict", String, "Verdict of an artefact scan."),
        Column::plain("ScanError", String, "Error of an artefact scan."),
        Column::plain("RowsAdded", Long, "Records added."),
        Column::plain("RowsChanged", Long, "Records changed."),
        Column::plain("RowsDeleted", Long, "Records deleted."),
        Column::plain("LabelHist", Dynamic, "Histogram of labels."),
        Column::plain(
            "Psi",
            Real,
            "Population stability index against the baseline.",
        ),
        Column::plain(
            "Ks",
            Real,
            "Kolmogorov-Smirnov statistic against the baseline.",
        ),
        Column::plain("EvalMetric", Real, "Evaluation metric after the change."),
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
