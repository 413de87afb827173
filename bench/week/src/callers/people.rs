//! People: chats, documents, travel, private networks, lists that are worked through.

use serde_json::json;

use super::Caller;
use crate::events::{self, Call, Origin};
use crate::options::Mix;
use crate::rows::{HOUR, MINUTE, SECOND, Week};

pub(super) fn day(caller: &mut Caller, week: &mut Week, midnight: i64) {
    let nine = midnight + (9 - caller.zone) * HOUR;
    let is_power_user = caller.number % 19 == 0;
    let calls = 3 + caller.random.below(if is_power_user { 120 } else { 32 });
    let calls = caller.volume(calls);
    let travels = caller.random.once_in(80);
    let tunnels = caller.number % 23 == 0;
    let phone = caller.number % 4 == 0;
    let evening = caller.random.once_in(12);
    let mut session = 0;
    let mut time = nine;
    for number in 0..calls {
        time = if evening && number % 3 == 0 {
            nine + 11 * HOUR + caller.random.below(2 * HOUR)
        } else {
            nine + caller.random.below(9 * HOUR)
        };
        session += i64::from(caller.random.once_in(4));
        let mut origin = origin(caller, travels && time > nine + 4 * HOUR, tunnels, phone);
        let (from, to) = super::OTHER_PROVIDER;
        if origin.address == caller.origin.address && (from..to).contains(&time) {
            origin = Origin {
                address: "192.0.3.4".to_owned(),
                asn: 64_512,
                country: "NL",
                ..origin
            };
        }
        talk(caller, week, &origin, time, session);
    }
    // Somebody works through a list, or writes about attacks.
    if caller.random.once_in(14) {
        let start = nine + caller.random.below(7) * HOUR + 11 * MINUTE;
        list(caller, week, start);
    }
    if caller.number % 89 == 7 && caller.random.once_in(3) {
        long_documents(caller, week, nine + HOUR);
    }
    if caller.number % 97 == 3 && caller.random.once_in(2) {
        writes_about_security(caller, week, time.max(nine));
    }
}

fn origin(caller: &mut Caller, travels: bool, tunnels: bool, phone: bool) -> Origin {
    let mut origin = caller.origin.clone();
    if travels {
        origin = Origin {
            address: format!("192.0.2.{}", caller.number % 250),
            asn: 7_018,
            country: "FR",
            ..origin
        };
    } else if tunnels && caller.random.once_in(3) {
        origin = Origin {
            address: "203.0.113.77".to_owned(),
            asn: 9_009,
            country: "NL",
            ..origin
        };
    } else if phone && caller.random.once_in(5) {
        let client = "desk-app/4.2 (iOS)".to_owned();
        origin = Origin {
            address: format!("100.64.{}.{}", caller.number % 200, caller.number % 211),
            asn: 3_209,
            client,
            ..origin
        };
    }
    origin
}

fn talk(caller: &mut Caller, week: &mut Week, origin: &Origin, time: i64, session: i64) {
    let model = if caller.random.once_in(6) {
        caller.model()
    } else {
        "assistant-large".to_owned()
    };
    let mut call = Call::chat(time, &model, &mut caller.random);
    call.session = format!("c-{}-{}-{session}", caller.number, time / (24 * HOUR));
    call.turn = 1 + caller.random.below(7);
    call.template = "portal-chat".to_owned();
    if caller.random.once_in(5) {
        documents(caller, &mut call);
    }
    if caller.random.once_in(25) {
        let kinds = ["code", "html", "script", "shell", "document_list"];
        let found = if caller.mix == Mix::Company {
            kinds[0]
        } else {
            caller.random.of(&kinds).copied().unwrap_or("code")
        };
        call.inference["OutputClass"] = json!(found);
    }
    if caller.random.once_in(30) {
        call.inference["UrlDomain"] = json!(format!("site-{}.example", caller.random.below(300)));
        call.inference["UrlEntropy"] = json!(3.0 + events::real(&mut caller.random, 1.0));
        if caller.random.once_in(3) {
            call.inference["DestApproved"] = json!(true);
        }
    }
    if caller.random.once_in(40) {
        call.access["HttpReferrer"] = json!(
            caller
                .random
                .of(&[
                    "https://intranet.corp.example/",
                    "https://wiki.corp.example/ai",
                    "https://ai.corp.example/chat"
                ])
                .copied()
        );
    }
    caller.send_from(week, origin, call);
}

/// Retrieval: a few documents are asked for by everybody.
fn documents(caller: &mut Caller, call: &mut Call) {
    let mut found = Vec::new();
    for _ in 0..4 {
        let popular = caller.random.once_in(3);
        found.push(format!(
            "doc-{}",
            caller.random.below(if popular { 40 } else { 3_000 })
        ));
    }
    call.inference["Citations"] = json!([found[0]]);
    call.inference["RetrievedDocIds"] = json!(found);
    let labels = ["internal", "internal", "public", "confidential"];
    call.inference["DocSensitivity"] = json!(caller.random.of(&labels).copied());
    call.tokens.0 += 4_000;
    call.template = "portal-rag".to_owned();
}

/// Thirty to a hundred near-identical calls within half an hour.
fn list(caller: &mut Caller, week: &mut Week, start: i64) {
    let base = caller.random.next();
    let calls = 30 + caller.random.below(70);
    let model = caller.model();
    let mut time = start;
    for _ in 0..calls {
        time += 5 * SECOND + caller.random.below(30 * SECOND);
        let mut call = Call::chat(time, &model, &mut caller.random);
        call.simhash = events::near(base, 5, &mut caller.random);
        call.template = "portal-chat".to_owned();
        call.session = format!("list-{}-{start}", caller.number);
        caller.send(week, call);
    }
}

/// Contracts that are read one after the other.
fn long_documents(caller: &mut Caller, week: &mut Week, start: i64) {
    for number in 0..(5 + caller.random.below(5)) {
        let time = start + number * 7 * MINUTE;
        let mut call = Call::chat(time, "assistant-large", &mut caller.random);
        call.tokens = (100_000 + caller.random.below(60_000), 900);
        call.template = "portal-documents".to_owned();
        caller.send(week, call);
    }
}

/// Texts that quote attacks: findings that mean no harm, among harmless calls.
fn writes_about_security(caller: &mut Caller, week: &mut Week, start: i64) {
    for number in 0..14 {
        let mut call = Call::chat(
            start + number * 4 * MINUTE,
            "assistant-large",
            &mut caller.random,
        );
        if number % 7 == 3 {
            let category = caller
                .random
                .of(&["prompt_injection", "jailbreak", "malicious_code"])
                .copied();
            call.decision = events::finding_of(
                category.unwrap_or("jailbreak"),
                &mut caller.random,
                caller.mix,
            );
        }
        caller.send(week, call);
    }
}
