"""Requests that no SDK would send: each gets the protocol's own error and a decision id, and
never reaches the upstream."""

import gzip
import json
import subprocess

from gateway import BODY_BYTES_MAX

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


def chat(content="hi", **rest):
    return json.dumps({"model": "m-1", "messages": [{"role": "user", "content": content}], **rest}).encode()


# (name, path, body, status, more arguments of curl)
CASES = [
    ("no JSON", CHAT, b"hello", 400, []),
    ("empty body", CHAT, b"", 400, []),
    ("cut JSON", CHAT, b'{"model":"m-1","messages":[', 400, []),
    ("trailing bytes", CHAT, chat() + b"{}", 400, []),
    ("a list", CHAT, b"[]", 400, []),
    ("duplicate keys", CHAT, b'{"model":"m-1","messages":[],"messages":[]}', 400, []),
    ("duplicate keys behind an escape", CHAT, b'{"model":"m-1","messages":[],"m\\u0065ssages":[]}', 400, []),
    ("invalid UTF-8", CHAT, b'{"model":"m-1","messages":[{"role":"user","content":"\xff"}]}', 400, []),
    ("half a surrogate", CHAT, b'{"model":"m-1","messages":[{"role":"user","content":"\\ud800"}]}', 400, []),
    ("deep nesting", CHAT, b'{"messages":[],"x":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, []),
    ("wrong types", CHAT, b'{"model":7,"messages":"hi"}', 400, []),
    ("no messages", CHAT, b'{"model":"m-1"}', 400, []),
    ("no JSON, Anthropic", MESSAGES, b"hello", 400, []),
    ("duplicate keys, Anthropic", MESSAGES, b'{"model":"m","model":"n","max_tokens":1,"messages":[]}', 400, []),
    ("too long", CHAT, chat("x" * BODY_BYTES_MAX), 413, []),
    ("too long, Anthropic", MESSAGES, chat("x" * BODY_BYTES_MAX), 413, []),
    ("too long, in chunks", CHAT, chat("x" * BODY_BYTES_MAX), 413, ["-H", "transfer-encoding: chunked"]),
    ("gzip", CHAT, gzip.compress(chat()), 415, ["-H", "content-encoding: gzip"]),
    ("gzip, Anthropic", MESSAGES, gzip.compress(chat()), 415, ["-H", "content-encoding: gzip"]),
    ("unknown route", "/v1/nothing/here", b"{}", 404, []),
]


def run(bench):
    before = bench.upstream.received.count()
    wrong = []
    for name, path, body, status, more in CASES:
        problem = judge(path, status, *curl(bench.gateway.url + path, body, more))
        if problem:
            wrong.append(f"{name}: {problem}")
    reached = bench.upstream.received.count() - before
    if reached:
        wrong.append(f"{reached} reached the upstream")
    wrong += good_requests(bench)
    assert not wrong, "\n    ".join(wrong)


def good_requests(bench):
    """The same call over other kinds of HTTP."""
    wrong = []
    for name, more in (
        ("HTTP/1.1 in chunks", ["-H", "transfer-encoding: chunked"]),
        ("HTTP/2", ["--http2-prior-knowledge"]),
        ("expect: 100-continue", ["-H", "expect: 100-continue"]),
    ):
        status, headers, _ = curl(bench.gateway.url + CHAT, chat(), more)
        if status != 200 or "x-atalaya-decision-id" not in headers:
            wrong.append(f"{name}: status {status}")
    return wrong


def judge(path, expected, status, headers, body):
    if status != expected:
        return f"status {status}, expected {expected}: {body[:200]!r}"
    if not headers.get("x-atalaya-decision-id"):
        return "no x-atalaya-decision-id"
    try:
        error = json.loads(body)
    except ValueError:
        return f"the error is no JSON: {body[:200]!r}"
    if path == MESSAGES and error.get("type") != "error":
        return f"not Anthropic's shape: {error}"
    if not (isinstance(error.get("error"), dict) and error["error"].get("message") and error["error"].get("type")):
        return f"no error with message and type: {error}"
    return None


def curl(url, body, more):
    command = ["curl", "-sS", "-i", "--max-time", "20", "-X", "POST", "-H", "content-type: application/json"]
    done = subprocess.run(
        command + more + ["--data-binary", "@-", url], input=body, capture_output=True, timeout=30, check=False)
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    while head.startswith((b"HTTP/1.1 100", b"HTTP/2 100")):
        head, _, rest = rest.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not head:
        return 0, {}, done.stderr
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), headers, rest
