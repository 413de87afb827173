//! `AIGuardrailDecisions`: one row per call, what was seen in it and what was done about it.
//!
//! Two journal records make a row: the decision, durable before the call is forwarded, and the
//! settlement, written when the answer has ended. Columns marked *settled* come from the second.

use crate::ColumnType::{Bool, DateTime, Dynamic, Int, Long, Real, String};
use crate::{Column, Table};

/// The decision log.
pub(crate) const TABLE: Table = Table {
    name: "AIGuardrailDecisions",
    doc: "One row per call that reached the gateway: assessment, decision, and how the call ended.",
    id_column: "DecisionId",
    columns: &[
        Column::plain("TimeGenerated", DateTime, "When the call was decided, UTC."),
        Column::plain(
            "DecisionId",
            String,
            "UUIDv7 of the decision; also in the `x-atalaya-decision-id` header.",
        ),
        Column::plain(
            "RequestId",
            String,
            "The caller's `x-request-id`, or the decision id.",
        ),
        Column::plain("TraceId", String, "W3C trace id (`traceparent`)."),
        Column::plain("SpanId", String, "W3C parent span id (`traceparent`)."),
        Column::plain("TenantId", String, "Tenant; empty on a single-tenant node."),
        Column::personal(
            "SessionId",
            String,
            "Conversation id (OTel `gen_ai.conversation.id`).",
        ),
        Column::plain(
            "TurnIndex",
            Int,
            "Number of user turns in the call, from 1.",
        ),
        Column::plain(
            "Stage",
            String,
            "What was evaluated: `request`, `response`, `tool_call`.",
        ),
        Column::plain(
            "Decision",
            String,
            "ALLOW, LOG, CONSTRAIN or BLOCK: what was done.",
        ),
        Column::plain(
            "WouldDecision",
            String,
            "What enforcement would have done; equals `Decision` in enforce mode.",
        ),
        Column::plain("Enforced", Bool, "False in shadow mode."),
        Column::plain(
            "ReasonCode",
            String,
            "Why: `threshold`, `policy_rule`, `tool`, `session`, `unjudged`, `malformed`, `limit`, `unauthenticated`, `not_entitled`, `rate_limit`, `enforcement`, `quarantine`, `approval`, `unknown_route`, `no_route`, `internal`, `none`.",
        ),
        Column::plain(
            "EnforcementId",
            String,
            "Id of the enforcement that stopped or weakened the call; empty if none.",
        ),
        Column::plain(
            "PolicyRuleId",
            String,
            "Id of the policy's rule that decided; empty if thresholds did.",
        ),
        Column::plain(
            "SessionScore",
            Int,
            "0-100 over all turns of the conversation; null if nothing was ever found in it.",
        )
        .within(0.0, 100.0),
        Column::plain(
            "SessionTainted",
            Bool,
            "A tool result or document of the conversation carried an injection.",
        ),
        Column::plain("ThreatScore", Int, "0-100, higher is worse.").within(0.0, 100.0),
        Column::plain(
            "RiskLevel",
            String,
            "`ThreatScore` in bands: informational, low, medium, high, critical.",
        ),
        Column::plain(
            "ThreatDetection",
            String,
            "Category that weighed most, empty when nothing was found: `prompt_injection`, `indirect_prompt_injection`, `jailbreak`, `system_prompt_extraction`, `hidden_payload`, `secret`, `personal_data`, `tool_abuse`, `tool_poisoning`, `exfiltration`, `malicious_code`, `memory_poisoning`, `resource_exhaustion`, `model_extraction`.",
        ),
        Column::plain(
            "DetectedPattern",
            String,
            "Id of the rule that weighed most, `category.family.name`; never the text.",
        ),
        Column::plain("RuleIds", Dynamic, "Ids of all rules that fired."),
        Column::plain(
            "Findings",
            Dynamic,
            "[{category, score, rule, path, role, start, end, atlas}]; spans in bytes of the body; no text.",
        ),
        Column::plain(
            "SegmentRole",
            String,
            "Role of the segment that weighed most: system, user, assistant, reasoning, tool_definition, tool_call, tool_result, document, response.",
        ),
        Column::plain("Channel", String, "How the segment that weighed most came in: `user`, `web`, `email`, `ticket`, `document`, `tool`, `memory`, `link`, `agent`; empty if unknown."),
        Column::plain("DocId", String, "Id of the document that the segment that weighed most came from; empty if it is none."),
        Column::plain("Atlas", Dynamic, "ATLAS technique ids of all findings, e.g. [\"AML.T0051.001\"]."),
        Column::plain(
            "AtlasRelease",
            String,
            "ATLAS release that the ids refer to.",
        ),
        Column::plain(
            "OwaspLlm",
            Dynamic,
            "OWASP Top 10 for LLM applications ids.",
        ),
        Column::plain(
            "Judged",
            Int,
            "Number of segments that detectors looked at.",
        ),
        Column::plain(
            "Unjudged",
            Dynamic,
            "[{path, reason, what, bytes}]: what no detector saw, and why.",
        ),
        Column::plain(
            "NormFlags",
            Dynamic,
            "Normalisation tricks that were undone: `zero_width`, `bidi`, `unicode_tags`, `homoglyph`, `base64`, `hex`, `rot13` and others. Guards whose logs are ingested may add `special_tokens` (delimiters of chat templates), `role_markers` and `rag_delimiters` (the application's own retrieval markup).",
        ),
        Column::plain(
            "SecretTypes",
            Dynamic,
            "Kinds of secrets and personal data found, e.g. `aws_access_key`, `iban`; never the secret.",
        ),
        Column::plain("CanaryHit", Bool, "A planted canary token (system prompt, honey document, honey credential) was seen."),
        Column::plain(
            "Constraints",
            Dynamic,
            "What was clamped, added, redacted or dropped, with counts.",
        ),
        Column::plain("PolicyId", String, "Id of the policy in force."),
        Column::plain("PolicyVersion", String, "Its version."),
        Column::plain(
            "PolicyHash",
            String,
            "SHA-256 of the policy file, hexadecimal.",
        ),
        Column::plain(
            "RulesetHash",
            String,
            "SHA-256 over all detector patterns in force, hexadecimal.",
        ),
        Column::personal(
            "UserId",
            String,
            "The caller: authenticated principal, else the protocol's user field, else the key id, else the address.",
        ),
        Column::plain(
            "CallerKeyId",
            String,
            "Id of the virtual key, token or certificate, else hash prefix of the key the caller used; never the key.",
        ),
        Column::plain("TeamId", String, "Team of the authenticated caller; empty if none."),
        Column::personal("AgentId", String, "Agent id (OTel `gen_ai.agent.id`)."),
        Column::plain(
            "ApplicationName",
            String,
            "Application, from the `x-atalaya-application` header.",
        ),
        Column::personal("SrcIpAddr", String, "Client address."),
        Column::plain("SrcPortNumber", Int, "Client port."),
        Column::plain("HttpUserAgent", String, "User-Agent header."),
        Column::plain("HttpMethod", String, "Request method."),
        Column::plain("HttpPath", String, "Request path without the query string."),
        Column::plain(
            "Protocol",
            String,
            "Wire protocol and operation, e.g. `openai.chat`, `anthropic.messages`.",
        ),
        Column::plain(
            "ModelEndpoint",
            String,
            "Upstream name and path, e.g. `openai/v1/chat/completions`.",
        ),
        Column::plain(
            "RouteName",
            String,
            "Name of the route in the configuration.",
        ),
        Column::plain(
            "ProviderName",
            String,
            "Provider (OTel `gen_ai.provider.name`).",
        ),
        Column::plain("ModelName", String, "Model that was asked for."),
        Column::plain("Stream", Bool, "Whether a stream was asked for."),
        Column::plain("MaxTokens", Long, "Output token limit that was asked for."),
        Column::plain(
            "Temperature",
            Real,
            "Sampling temperature that was asked for.",
        ),
        Column::plain(
            "CandidateCount",
            Int,
            "Number of answers that was asked for (`n`).",
        ),
        Column::plain(
            "LogProbs",
            Bool,
            "Whether log-probabilities were asked for.",
        ),
        Column::plain("ToolCount", Int, "Number of tools offered."),
        Column::plain("ToolNames", Dynamic, "Names of tools offered."),
        Column::plain("ToolName", String, "Tool that the evaluated definition, call or result belongs to; empty if it is about none."),
        Column::plain("ToolDefSha256", String, "SHA-256 of that tool's definition as offered in the call, hexadecimal."),
        Column::plain("MessageCount", Int, "Number of messages."),
        Column::plain("RequestBytes", Long, "Size of the request body in bytes."),
        Column::plain(
            "ContentSha256",
            String,
            "SHA-256 of the request body, hexadecimal.",
        ),
        Column::plain(
            "InputSimHash",
            String,
            "64-bit SimHash of the last user text, hexadecimal: near-equal texts are near-equal.",
        ),
        Column::plain("Entropy", Real, "Entropy of the last user text, bits per character; English prose has about 4.2."),
        Column::plain("Overlap", Real, "Largest share of the answer's word sequences that also stand in the system prompt, a protected text or an injected instruction, 0-1.").within(0.0, 1.0),
        Column::plain(
            "EvalLatencyUs",
            Long,
            "Time spent on parsing, inspecting and deciding, microseconds.",
        ),
        Column::plain("GatewayVersion", String, "Version of Atalaya."),
        Column::plain("NodeId", String, "Node that decided."),
        Column::plain("SchemaVersion", Int, "Version of this row's schema."),
        Column::sensitive(
            "PromptText",
            String,
            "Inspected text as JSON, only if `prompt_text` is `redacted` or `full`.",
        ),
        // Settled.
        Column::plain(
            "Outcome",
            String,
            "Settled: answered, evaluated, refused, client_aborted, upstream_failed, upstream_cut, timed_out, rejected, answer_refused, interrupted.",
        ),
        Column::plain(
            "UpstreamStatus",
            Int,
            "Settled: HTTP status of the upstream.",
        ),
        Column::plain(
            "ResponseStatus",
            Int,
            "Settled: HTTP status given to the caller.",
        ),
        Column::plain(
            "ErrorClass",
            String,
            "Settled: kind of failure, empty if none.",
        ),
        Column::plain(
            "UpstreamName",
            String,
            "Settled: upstream that was called last; another than in `ModelEndpoint` after a failover.",
        ),
        Column::plain(
            "UpstreamAttempts",
            Int,
            "Settled: how many upstreams were called.",
        ),
        Column::plain("ResponseModel", String, "Settled: model that answered."),
        Column::plain("ResponseId", String, "Settled: the provider's response id."),
        Column::plain("FinishReason", String, "Settled: why the model stopped."),
        Column::plain(
            "InputTokens",
            Long,
            "Settled: input tokens, as the provider counts.",
        ),
        Column::plain("OutputTokens", Long, "Settled: output tokens."),
        Column::plain(
            "CachedTokens",
            Long,
            "Settled: input tokens read from the provider's cache.",
        ),
        Column::plain("ReasoningTokens", Long, "Settled: reasoning tokens."),
        Column::plain("CostUsd", Real, "Settled: cost in US dollars by the price list; null if the model has no price."),
        Column::plain(
            "ResponseBytes",
            Long,
            "Settled: size of the answer in bytes.",
        ),
        Column::plain(
            "UpstreamLatencyMs",
            Real,
            "Settled: from forwarding to the end of the answer, milliseconds.",
        ),
        Column::plain(
            "TtftMs",
            Real,
            "Settled: from forwarding to the first byte of the answer, milliseconds.",
        ),
        Column::plain(
            "GatewayLatencyUs",
            Long,
            "Settled: time added by the gateway before forwarding, durable write included, microseconds.",
        ),
        Column::plain(
            "ResponseToolNames",
            Dynamic,
            "Settled: names of tools that the model called.",
        ),
        Column::plain(
            "ResponseDecision",
            String,
            "Settled: what was done with the answer: ALLOW, LOG, CONSTRAIN (findings replaced) or BLOCK; empty if it was not looked at.",
        ),
        Column::plain(
            "ResponseWouldDecision",
            String,
            "Settled: what enforcement would have done with the answer.",
        ),
        Column::plain(
            "ResponseThreatScore",
            Int,
            "Settled: 0-100, higher is worse, of the answer.",
        )
        .within(0.0, 100.0),
        Column::plain(
            "ResponseThreatDetection",
            String,
            "Settled: category that weighed most in the answer.",
        ),
        Column::plain(
            "ResponseDetectedPattern",
            String,
            "Settled: id of the rule that weighed most in the answer.",
        ),
        Column::plain(
            "ResponseRuleIds",
            Dynamic,
            "Settled: ids of all rules that fired on the answer.",
        ),
        Column::plain(
            "ResponsePolicyRuleId",
            String,
            "Settled: id of the policy's rule about tools that decided about the answer.",
        ),
        Column::plain(
            "ResponseUnjudged",
            Dynamic,
            "Settled: [{path, reason, what, bytes}]: what of the answer no detector saw, and why.",
        ),
        Column::plain(
            "ResponseJudged",
            Int,
            "Settled: number of texts of the answer that detectors looked at.",
        ),
        Column::plain(
            "ResponseMasked",
            Int,
            "Settled: findings that were replaced in the answer.",
        ),
        Column::plain(
            "ResponseEvalUs",
            Long,
            "Settled: time spent on looking at the answer, microseconds.",
        ),
        Column::plain(
            "AddedTtftMs",
            Real,
            "Settled: how long the first text of a streamed answer was held back, milliseconds.",
        ),
        // The chain.
        Column::plain(
            "Seq",
            Long,
            "Sequence number of the decision record in the journal.",
        ),
        Column::plain(
            "RecordHash",
            String,
            "SHA-256 of the decision record chained to its predecessor, hexadecimal.",
        ),
    ],
};
