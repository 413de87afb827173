//! The rules that are compiled in. The files in `rules/` at the root of the repository are their
//! only source; a test holds this list to that folder.

/// A rule file with its test file.
pub(crate) struct BuiltinFile {
    /// Path below `rules/`.
    pub(crate) path: &'static str,
    /// The rule.
    pub(crate) text: &'static str,
    /// Its tests.
    pub(crate) test: &'static str,
    /// The companion of a Sigma rule.
    pub(crate) companion: Option<&'static str>,
}

macro_rules! rules {
    ($($path:literal $($companion:ident)?),* $(,)?) => {
        &[$(BuiltinFile {
            path: concat!($path, ".yml"),
            text: include_str!(concat!("../../../rules/", $path, ".yml")),
            test: include_str!(concat!("../../../rules/", $path, ".test.yml")),
            companion: rules!(@ $path $($companion)?),
        }),*]
    };
    (@ $path:literal) => { None };
    (@ $path:literal companion) => {
        Some(include_str!(concat!("../../../rules/", $path, ".meta.yml")))
    };
}

/// Every built-in rule, by path.
#[rustfmt::skip]
pub(crate) const FILES: &[BuiltinFile] = rules![
    "kql/ai-attack-adaptation/adversarial_confidence_drops",
    "kql/ai-attack-adaptation/block_block_allow_edit_chain",
    "kql/ai-attack-adaptation/commands_generated_for_many_hosts",
    "kql/ai-attack-adaptation/near_duplicate_search",
    "kql/ai-model-access/scripted_model_api_calls",
    "kql/collection/bulk_artifact_read",
    "kql/collection/knowledge_base_crawl",
    "kql/collection/sensitive_tool_after_injection",
    "kql/command-and-control/beaconing_through_model_api",
    "kql/credential-access/agent_secrets_read",
    "kql/credential-access/credentials_from_retrieval",
    "kql/credential-access/secrets_in_prompts",
    "kql/credential-access/secrets_in_tool_results",
    "kql/defense-evasion/artifact_cannot_be_scanned",
    "kql/defense-evasion/citation_not_retrieved",
    "kql/defense-evasion/delayed_instruction",
    "kql/defense-evasion/format_masquerading",
    "kql/defense-evasion/hidden_payload",
    "kql/defense-evasion/unjudged_spike",
    "kql/discovery/agent_capabilities_disclosed",
    "kql/discovery/artifact_enumeration",
    "kql/discovery/confidence_harvesting",
    "kql/discovery/honeypot_tool_touched",
    "kql/discovery/special_character_probing",
    "kql/execution/distributed_injection_campaign",
    "kql/execution/first_seen_package",
    "kql/execution/first_seen_tool_for_agent",
    "kql/execution/injection_in_documents",
    "kql/execution/malicious_code_in_calls",
    "kql/execution/prompt_injection_decisions",
    "kql/execution/shell_in_tool_calls",
    "kql/execution/tool_abuse",
    "kql/execution/unapproved_tool_definition_invoked",
    "kql/execution/unsafe_model_artifact",
    "kql/exfiltration/answer_with_data_in_link",
    "kql/exfiltration/canary_leaked",
    "kql/exfiltration/exfiltration_blocked",
    "kql/exfiltration/model_extraction",
    "kql/exfiltration/outbound_tool_after_sensitive_read",
    "kql/exfiltration/personal_data_leak",
    "kql/exfiltration/system_prompt_extraction",
    "kql/impact/agent_loop",
    "kql/impact/chaff",
    "kql/impact/cost_over_budget",
    "kql/impact/data_destruction_by_agent",
    "kql/impact/dataset_eroded",
    "kql/impact/excessive_queries",
    "kql/impact/model_overloaded",
    "kql/impact/resource_intensive_queries",
    "kql/initial-access/artifact_pipeline_exploited",
    "kql/initial-access/caller_from_two_countries",
    "kql/initial-access/container_image_untrusted",
    "kql/initial-access/crafted_assistant_link",
    "kql/initial-access/dataset_not_as_approved",
    "kql/initial-access/exploit_strings_in_requests",
    "kql/initial-access/package_digest_drift",
    "kql/initial-access/ungoverned_model_access",
    "kql/initial-access/unsigned_model_artifact",
    "kql/lateral-movement/agent_key_shared",
    "kql/lateral-movement/key_from_new_network",
    "kql/persistence/agent_configuration_changed",
    "kql/persistence/chat_template_changed",
    "kql/persistence/document_retrieved_everywhere",
    "kql/persistence/injection_in_tool_results",
    "kql/persistence/memory_poisoning",
    "kql/persistence/memory_write_in_tainted_trace",
    "kql/persistence/model_architecture_changed",
    "kql/persistence/model_changed_outside_a_release",
    "kql/persistence/rag_index_poisoned",
    "kql/persistence/self_replicating_output",
    "kql/persistence/tool_definition_changed",
    "kql/persistence/tool_definition_with_instructions",
    "kql/persistence/training_data_drift",
    "kql/persistence/training_data_modified",
    "kql/privilege-escalation/jailbreak_burst",
    "kql/reconnaissance/active_scanning",
    "kql/reconnaissance/exposed_ai_infrastructure",
    "kql/reconnaissance/limits_hit_by_new_source",
    "kql/reconnaissance/metadata_probing",
    "kql/reconnaissance/model_enumeration",
    "sigma/ai-attack-adaptation/adversarial_example_attack_detection" companion,
];
