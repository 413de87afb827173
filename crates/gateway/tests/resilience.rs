//! What happens when upstreams do not.

use std::time::Duration;

use atalaya_gateway::config::BreakerConfig;

use crate::bench::{ANSWER, Bench, CHAT, chat, setup};
use crate::upstream::{Script, Upstream};

const BUSY: &str = r#"{"error":{"message":"busy","type":"server_error"}}"#;

async fn with_second(first: Script, second: Script) -> (Bench, Upstream) {
    let second = Upstream::start(second).await;
    let mut setup = setup();
    setup.config.routes[0].failover = vec!["second".into()];
    setup.config.resilience = BreakerConfig {
        failures_max: 3,
        open_ms: 300,
    };
    setup.further = vec![("second", format!("http://{}", second.address))];
    (Bench::with(first, setup).await, second)
}

#[tokio::test]
async fn a_call_that_was_not_taken_goes_to_the_next_upstream() {
    for first in [Script::Answer(503, BUSY), Script::Answer(429, BUSY)] {
        let (bench, second) = with_second(first, Script::Answer(200, ANSWER)).await;
        let answer = bench.post(CHAT, &chat("hello")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ANSWER));
        assert_eq!(
            (bench.upstream.received().len(), second.received().len()),
            (1, 1)
        );
        let (_, settled) = bench.call_record().await;
        assert_eq!(settled["UpstreamName"], "second");
        assert_eq!(settled["UpstreamAttempts"], 2);
    }
}

#[tokio::test]
async fn a_call_that_may_have_been_taken_is_never_repeated() {
    for first in [
        Script::Reset,
        Script::Silent,
        Script::Answer(500, BUSY),
        Script::Answer(400, BUSY),
    ] {
        let (bench, second) = with_second(first, Script::Answer(200, ANSWER)).await;
        let answer = bench.post(CHAT, &chat("hello")).await;
        assert_ne!(answer.status, 200);
        assert!(second.received().is_empty());
        assert_eq!(bench.upstream.received().len(), 1);
    }
}

#[tokio::test]
async fn the_last_upstreams_own_words_are_the_callers() {
    let (bench, second) = with_second(Script::Answer(503, BUSY), Script::Answer(429, BUSY)).await;
    let answer = bench.post(CHAT, &chat("hello")).await;
    assert_eq!((answer.status, answer.body.as_str()), (429, BUSY));
    assert_eq!(second.received().len(), 1);
}

#[tokio::test]
async fn an_upstream_that_keeps_failing_is_left_alone_and_tried_again() {
    let (bench, second) = with_second(Script::Answer(503, BUSY), Script::Answer(200, ANSWER)).await;
    for _ in 0..6 {
        assert_eq!(bench.post(CHAT, &chat("hello")).await.status, 200);
    }
    assert_eq!(
        (bench.upstream.received().len(), second.received().len()),
        (3, 6)
    );
    assert!(
        bench
            .gateway
            .metrics()
            .render()
            .contains("atalaya_breakers_opened_total 1")
    );
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(bench.post(CHAT, &chat("hello")).await.status, 200);
    assert_eq!(bench.upstream.received().len(), 4);
}

#[tokio::test]
async fn with_nobody_left_the_caller_is_told_to_come_back() {
    let mut setup = setup();
    setup.config.resilience = BreakerConfig {
        failures_max: 1,
        open_ms: 60_000,
    };
    let bench = Bench::with(Script::Reset, setup).await;
    assert_eq!(bench.post(CHAT, &chat("hello")).await.status, 502);
    let shed = bench.post(CHAT, &chat("hello")).await;
    assert_eq!(shed.status, 503);
    assert!(shed.head.contains("retry-after"), "{}", shed.head);
    assert_eq!(bench.upstream.received().len(), 1);
}

#[tokio::test]
async fn more_large_bodies_than_allowed_are_shed() {
    let mut setup = setup();
    setup.config.limits.inline_inspect_bytes_max = 10;
    setup.config.limits.large_inspections_max = 0;
    let bench = Bench::with(Script::Answer(200, ANSWER), setup).await;
    assert_eq!(bench.post(CHAT, &chat("hello")).await.status, 503);
    assert_eq!(bench.call_record().await.0["ReasonCode"], "limit");
}
