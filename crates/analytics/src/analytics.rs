//! The ordered list of analytics; each is one file with its parameters and its judgement.

use serde::{Deserialize, Serialize};

use crate::engine::Case;

/// Declares an analytic's parameters: a struct that a rule file fills, with defaults.
macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident: $ty:ty = $default:expr,)*) => {
        /// What can be tuned in the rule file.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Parameters {
            $($(#[$doc])* pub $name: $ty,)*
        }

        impl Default for Parameters {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }
    };
}

macro_rules! analytics {
    ($($name:ident,)*) => {
        $(pub mod $name;)*

        /// Names of all analytics, in the order in which they judge.
        pub const NAMES: &[&str] = &[$(stringify!($name),)*];

        /// How many there are.
        pub(crate) const COUNT: usize = NAMES.len();

        /// Positions in [`NAMES`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(non_camel_case_types, reason = "they are the names of rules and modules")]
        pub(crate) enum Analytic { $($name,)* }

        /// Parameters of the analytics that are in force.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings { $($name: Option<$name::Parameters>,)* }

        impl Settings {
            /// Every analytic with its defaults.
            #[must_use]
            pub fn all() -> Self {
                Self { $($name: Some($name::Parameters::default()),)* }
            }

            /// None.
            #[must_use]
            pub fn none() -> Self {
                Self { $($name: None,)* }
            }

            /// Puts one in force with the parameters of its rule file.
            ///
            /// # Errors
            /// If there is no such analytic, or a parameter is not known or of the wrong type.
            pub fn set(&mut self, name: &str, parameters: &serde_json::Value) -> Result<(), String> {
                match name {
                    $(stringify!($name) => self.$name = Some(read(parameters)?),)*
                    _ => return Err(format!("there is no analytic `{name}`")),
                }
                Ok(())
            }

            /// Takes one out of force.
            pub fn remove(&mut self, name: &str) {
                match name {
                    $(stringify!($name) => self.$name = None,)*
                    _ => {}
                }
            }
        }

        /// The parameters of an analytic with their defaults.
        #[must_use]
        pub fn defaults(name: &str) -> Option<serde_json::Value> {
            match name {
                $(stringify!($name) => write(&$name::Parameters::default()),)*
                _ => None,
            }
        }

        /// Lets every analytic in force judge an event.
        pub(crate) fn judge(settings: &Settings, case: &mut Case<'_>) {
            $(if let Some(parameters) = &settings.$name {
                $name::judge(parameters, case);
            })*
        }
    };
}

fn read<T: for<'de> Deserialize<'de> + Default>(value: &serde_json::Value) -> Result<T, String> {
    if value.is_null() {
        return Ok(T::default());
    }
    T::deserialize(value).map_err(|error| error.to_string())
}

fn write(parameters: &impl Serialize) -> Option<serde_json::Value> {
    serde_json::to_value(parameters).ok()
}

analytics! {
    adversarial_query_stream,
    agent_loop,
    boundary_probing,
    classifier_extraction,
    confidence_shift,
    contribution_flood,
    data_drift,
    distributed_extraction,
    document_retrieval,
    duplicate_burst,
    duplicate_requests,
    edit_chain,
    interface_enumeration,
    label_drift,
    limits_by_new_source,
    manifest_violation,
    membership_inference,
    model_extraction,
    model_inversion,
    origin_anomaly,
    refusal_shift,
    resource_intensive_calls,
    score_harvesting,
    usage_anomaly,
    young_key_volume,
}
