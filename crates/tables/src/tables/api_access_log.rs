//! `APIAccessLog`: who reached which endpoint, and how that ended.

use crate::ColumnType::{Bool, DateTime, Dynamic, Int, Long, Real, String};
use crate::{Column, Table};

/// API access log. The gateway adds a row for every request it answered.
pub(crate) const TABLE: Table = Table {
    name: "APIAccessLog",
    doc: "One row per HTTP request to an AI endpoint.",
    id_column: "EventId",
    columns: &[
        Column::plain("TimeGenerated", DateTime, "When the request arrived, UTC."),
        Column::plain(
            "EventId",
            String,
            "Unique id of the row; the decision id for calls through the gateway.",
        ),
        Column::plain(
            "DecisionId",
            String,
            "Decision of the gateway, if the request passed it.",
        ),
        Column::plain("TenantId", String, "Tenant."),
        Column::plain("TraceId", String, "W3C trace id."),
        Column::personal("SessionId", String, "Conversation id."),
        Column::personal("UserId", String, "The caller."),
        Column::plain("CallerKeyId", String, "Id of the caller's key."),
        Column::personal("AgentId", String, "Agent id."),
        Column::personal("SrcIpAddr", String, "Client address."),
        Column::plain("SrcPortNumber", Int, "Client port."),
        Column::plain("SrcAsn", Long, "Autonomous system number of the client."),
        Column::plain(
            "SrcGeoCountry",
            String,
            "Country of the client, ISO 3166-1 alpha-2.",
        ),
        Column::plain("HttpUserAgent", String, "User-Agent header."),
        Column::plain(
            "TlsFingerprint",
            String,
            "TLS client fingerprint (JA3/JA4).",
        ),
        Column::plain("HttpReferrer", String, "Referer header."),
        Column::plain("HttpMethod", String, "Request method."),
        Column::plain("HttpPath", String, "Request path without the query string."),
        Column::plain("HttpHost", String, "Host header."),
        Column::plain("ResponseStatus", Int, "HTTP status given to the caller."),
        Column::plain(
            "AuthResult",
            String,
            "`success`, `failure`, or `none` for a request without credentials.",
        ),
        Column::plain("KeyCreatedAt", DateTime, "When the caller's key was made."),
        Column::plain(
            "ViaGateway",
            Bool,
            "Whether the request came through the gateway; false for requests that the model server logged without the gateway's header.",
        ),
        Column::plain("ModelName", String, "Model that was asked for."),
        Column::plain(
            "BodyClass",
            String,
            "Class of the request body or query: `template_injection`, `deserialization`, `ssrf`, `sqli`, `path_traversal`, `command_injection`, `xss`, `normal`; empty if nobody looked.",
        ),
        Column::plain(
            "TokenScope",
            String,
            "Scope of the token or key that was used.",
        ),
        Column::personal("KeyCreatedBy", String, "Who made the caller's key."),
        Column::plain("RequestBytes", Long, "Bytes received."),
        Column::plain("ResponseBytes", Long, "Bytes sent."),
        Column::plain("DurationMs", Real, "Duration, milliseconds."),
        Column::plain(
            "InterarrivalMs",
            Real,
            "Time since the caller's request before, milliseconds.",
        ),
        Column::plain(
            "SourceType",
            String,
            "Where the row came from: `gateway`, or the name of the ingest mapping.",
        ),
        Column::sensitive(
            "AdditionalFields",
            Dynamic,
            "Fields of the source that have no column.",
        ),
        Column::plain("SchemaVersion", Int, "Version of this row's schema."),
    ],
};
