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
            "SessionId",
            String,
            "Conversation id, where the act is about a stored conversation.",
        ),
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
            "What was done: `create`, `read`, `list`, `search`, `describe`, `download`, `export`, `copy`, `modify`, `delete`, `upload`, `import`, `register`, `approve`, `deploy`, `promote`, `load`, `parse`, `convert`, `scan`, `train`, `evaluate`, `install`, `pull`, `push`, `insert`, `enable`, `disable`.",
        ),
        Column::plain(
            "Resource",
            String,
            "What it was done to: path or kind with path, e.g. `training_data/fraud/2026`, `agent/system_prompt`.",
        ),
        Column::plain("ResourceName", String, "Name of that thing."),
        Column::plain(
            "ResourceType",
            String,
            "`dataset`, `artifact` (model weights and their files), `config`, `tool`, `index` (knowledge base), `document`, `package`, `image` (container), `notebook`, `model`, `agent`, `memory`, `conversation`, `identity` (account, key).",
        ),
        Column::plain(
            "OldValue",
            String,
            "Value before, as text (a record count, a setting).",
        ),
        Column::plain("NewValue", String, "Value after, as text."),
        Column::plain("Result", String, "`success` or `failure`."),
        Column::plain(
            "Stage",
            String,
            "Stage: `experiment`, `ingest`, `training`, `evaluation`, `staging`, `production`; empty if unknown.",
        ),
        Column::plain("JobId", String, "Job that did it."),
        Column::plain(
            "ChangeId",
            String,
            "Approved change it belongs to; empty for acts outside of the change process.",
        ),
        Column::plain("Version", String, "Version of the resource."),
        Column::plain(
            "SourceUri",
            String,
            "Where the data, artefact or package came from.",
        ),
        Column::plain(
            "Approved",
            Bool,
            "Whether actor, source or resource is on the register of approved ones; null if nobody checked.",
        ),
        Column::plain(
            "Sensitivity",
            String,
            "Sensitivity label of the resource: `public`, `internal`, `confidential`, `restricted`.",
        ),
        Column::plain(
            "Format",
            String,
            "File format as declared: `safetensors`, `pickle`, `onnx`, `gguf`, `keras`, `parquet`, `csv`, ...",
        ),
        Column::plain("Magic", String, "File format by its first bytes."),
        Column::plain("SizeBytes", Long, "Size in bytes."),
        Column::plain("Sha256", String, "SHA-256 of the content."),
        Column::plain("PrevSha256", String, "SHA-256 before the change."),
        Column::plain("ApprovedSha256", String, "SHA-256 that was approved."),
        Column::plain("TemplateSha256", String, "SHA-256 of the chat template."),
        Column::plain("Signer", String, "Who signed it."),
        Column::plain("SigVerified", Bool, "Whether the signature was verified."),
        Column::plain(
            "ScanVerdict",
            String,
            "Verdict of a scan: `clean`, `suspicious`, `unsafe`, `malicious`; empty if there was none.",
        ),
        Column::plain(
            "ScanError",
            String,
            "Why a scan or parse could not be finished; empty if it was.",
        ),
        Column::plain(
            "Globals",
            Dynamic,
            "Names that a pickle imports, e.g. [\"os.system\"].",
        ),
        Column::plain("ExitCode", Int, "Exit code of the job or worker."),
        Column::plain(
            "DestDomain",
            String,
            "Domain that the job or worker connected to.",
        ),
        Column::plain("RowsAdded", Long, "Records added."),
        Column::plain("RowsChanged", Long, "Records changed."),
        Column::plain("RowsDeleted", Long, "Records deleted."),
        Column::plain(
            "RowsDuplicate",
            Long,
            "Records among the added ones that repeat others.",
        ),
        Column::plain(
            "LabelHist",
            Dynamic,
            "Histogram of labels after the change, {label: records}.",
        ),
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
