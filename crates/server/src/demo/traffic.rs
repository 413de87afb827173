//! The demo's traffic: who says what, in which protocol, and what each call is expected to get.

use std::net::SocketAddr;

use atalaya_model::ThreatCategory;

use super::client::{Answer, Call, Client, ClientError, Dialect};
use super::script::{Attack, Script, TextRole};

/// Honest callers; each sends every benign text once.
const CALLERS: &[&str] = &[
    "ana@shop.example",
    "ben@shop.example",
    "chloe@shop.example",
    "dario@shop.example",
    "emma@shop.example",
    "farid@shop.example",
    "grace@shop.example",
    "hugo@shop.example",
    "iris@shop.example",
    "jonas@shop.example",
];
/// The caller whose burst crosses a rule's threshold.
pub(crate) const BURST_CALLER: &str = "mallory@contractor.example";
/// Calls in the burst.
const BURST_CALLS: usize = 14;
/// The caller who tries every attack once.
const PROBE_CALLER: &str = "trent@contractor.example";

/// What a call is expected to come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// Must reach the model unharmed.
    Benign,
    /// Must not reach the model as it came, and must be found as this.
    Attack {
        id: String,
        category: ThreatCategory,
        technique: String,
    },
    /// Must reach the model without the leaked value.
    Leak { id: String },
}

/// A call that was made.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) expectation: Expectation,
    pub(crate) answer: Answer,
}

/// Sends everything over one connection.
///
/// # Errors
/// When the gateway cannot be reached or answers without a decision id.
pub(crate) async fn send(gateway: SocketAddr, script: &Script) -> Result<Vec<Sent>, ClientError> {
    let mut client = Client::connect(gateway).await?;
    let mut sent = Vec::new();
    for (number, (call, expectation)) in plan(script).into_iter().enumerate() {
        let is_burst = call.caller == BURST_CALLER;
        let call = Call {
            dialect: if is_burst || number % 2 == 0 {
                Dialect::OpenAi
            } else {
                Dialect::Anthropic
            },
            stream: number % 3 == 0,
            ..call
        };
        let answer = client.send(&call).await?;
        sent.push(Sent {
            expectation,
            answer,
        });
    }
    Ok(sent)
}

fn plan(script: &Script) -> Vec<(Call<'_>, Expectation)> {
    let mut plan = Vec::new();
    for caller in CALLERS {
        for text in &script.benign {
            plan.push((call(caller, text, TextRole::User), Expectation::Benign));
        }
    }
    for attack in &script.attacks {
        plan.push((
            call(PROBE_CALLER, &attack.text, attack.role),
            expect(attack),
        ));
    }
    for leak in &script.leaks {
        let expectation = Expectation::Leak {
            id: leak.id.clone(),
        };
        plan.push((call(CALLERS[0], &leak.text, leak.role), expectation));
    }
    let direct: Vec<&Attack> = script
        .attacks
        .iter()
        .filter(|attack| attack.category == ThreatCategory::PromptInjection)
        .collect();
    for attack in direct.iter().cycle().take(BURST_CALLS) {
        plan.push((
            call(BURST_CALLER, &attack.text, attack.role),
            expect(attack),
        ));
    }
    plan
}

fn call<'a>(caller: &'a str, text: &'a str, role: TextRole) -> Call<'a> {
    Call {
        caller,
        text,
        role,
        dialect: Dialect::OpenAi,
        stream: false,
    }
}

fn expect(attack: &Attack) -> Expectation {
    Expectation::Attack {
        id: attack.id.clone(),
        category: attack.category,
        technique: attack.technique.clone(),
    }
}
