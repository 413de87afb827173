//! What kind of threat a finding is about: the values of `ThreatDetection`.

use serde::{Deserialize, Serialize};

macro_rules! categories {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, atlas: [$($id:literal),*], owasp: [$($llm:literal),*];)*) => {
        /// A threat category. The snake-case name is what the log's `ThreatDetection` column,
        /// the policy file, rules and the API say.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ThreatCategory {
            $($(#[$doc])* $variant,)*
        }

        impl ThreatCategory {
            /// Every category, in the order in which documentation lists them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in logs, policies, rules and the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// ATLAS technique ids (release 2026.09) that a finding of this category is
            /// evidence for, unless the pattern that fired names more precise ones.
            #[must_use]
            pub const fn atlas(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($id),*],)* }
            }

            /// OWASP Top 10 for LLM applications (2025) ids.
            #[must_use]
            pub const fn owasp_llm(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($llm),*],)* }
            }

            /// The category of a name, as written by `as_str`.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

categories! {
    /// The caller's own text tries to override the instructions of the application.
    PromptInjection = "prompt_injection", atlas: ["AML.T0051.000"], owasp: ["LLM01"];
    /// Instructions hidden in material the model reads: documents, tool results, web pages.
    IndirectPromptInjection = "indirect_prompt_injection", atlas: ["AML.T0051.001"], owasp: ["LLM01"];
    /// An attempt to talk the model out of its safety training.
    Jailbreak = "jailbreak", atlas: ["AML.T0054"], owasp: ["LLM01"];
    /// An attempt to make the model reveal its system prompt or configuration.
    SystemPromptExtraction = "system_prompt_extraction", atlas: ["AML.T0056", "AML.T0069.002"], owasp: ["LLM07"];
    /// Text that is hidden or encoded so that people and filters do not read it.
    HiddenPayload = "hidden_payload", atlas: ["AML.T0068"], owasp: ["LLM01"];
    /// Credentials, keys and tokens.
    Secret = "secret", atlas: ["AML.T0055"], owasp: ["LLM02"];
    /// Data about a person: card and account numbers, national ids, e-mail, telephone.
    PersonalData = "personal_data", atlas: ["AML.T0057"], owasp: ["LLM02"];
    /// A tool whose definition or call carries instructions or danger.
    ToolAbuse = "tool_abuse", atlas: ["AML.T0053"], owasp: ["LLM06"];
    /// A tool definition that carries instructions to the model.
    ToolPoisoning = "tool_poisoning", atlas: ["AML.T0110"], owasp: ["LLM03"];
    /// Data carried out through a rendered link, an image or a tool.
    Exfiltration = "exfiltration", atlas: ["AML.T0077", "AML.T0086"], owasp: ["LLM02"];
    /// Commands or code that destroy, persist or escalate.
    MaliciousCode = "malicious_code", atlas: ["AML.T0050", "AML.T0102"], owasp: ["LLM05"];
    /// Text that writes itself into an agent's memory or a knowledge base.
    MemoryPoisoning = "memory_poisoning", atlas: ["AML.T0080.000"], owasp: ["LLM04"];
    /// Input made to exhaust the model or the budget.
    ResourceExhaustion = "resource_exhaustion", atlas: ["AML.T0029", "AML.T0034.001"], owasp: ["LLM10"];
    /// Queries that harvest the model's behaviour to copy it.
    ModelExtraction = "model_extraction", atlas: ["AML.T0024.002"], owasp: ["LLM10"];
}

impl std::fmt::Display for ThreatCategory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
