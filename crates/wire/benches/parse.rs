//! How long reading a call takes: a body of 2 kB and one of 100 kB, per protocol.

use std::hint::black_box;

use atalaya_wire::{Framing, ParseLimits, RequestHead, protocols};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn chat_body(bytes: usize) -> String {
    let text = "The quarterly report is attached; please sum up the three main points.\\n";
    let mut messages =
        String::from(r#"{"role":"system","content":"You are a helpful assistant."}"#);
    while messages.len() < bytes {
        let content = text.repeat(6);
        messages.push_str(&format!(r#",{{"role":"user","content":"{content}"}}"#));
    }
    format!(r#"{{"model":"gpt-4o","temperature":0.7,"stream":true,"messages":[{messages}]}}"#)
}

fn parse(criterion: &mut Criterion) {
    for bytes in [2_000, 100_000] {
        let body = chat_body(bytes);
        let mut group = criterion.benchmark_group(format!("parse_{bytes}"));
        group.throughput(Throughput::Bytes(body.len() as u64));
        for name in ["openai.chat", "anthropic.messages"] {
            let Some(protocol) = protocols::by_name(name) else {
                continue;
            };
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    protocol.parse(
                        &RequestHead::default(),
                        black_box(body.as_bytes()),
                        &ParseLimits::default(),
                    )
                });
            });
        }
        group.finish();
    }
}

fn read_stream(criterion: &mut Criterion) {
    let chunk = concat!(
        r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"#,
        r#""model":"gpt-4o","choices":[{"index":0,"delta":{"content":" word"},"#,
        r#""logprobs":null,"finish_reason":null}]}"#,
        "\n\n"
    );
    let Some(protocol) = protocols::by_name("openai.chat") else {
        return;
    };
    criterion.bench_function("read_one_delta", |bencher| {
        let mut reader = protocol.response_reader(Framing::Events);
        bencher.iter(|| reader.feed(black_box(chunk.as_bytes())));
    });
}

criterion_group!(benches, parse, read_stream);
criterion_main!(benches);
