"""A scripted model server: real protocols, answers chosen by the name of the model.

It remembers what it received, so that a test can tell whether a call reached it, and with
which bytes. Standard library only.
"""

import hashlib
import json
import threading
import time

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import families_upstream

SLOW_PAUSE_S = 0.15
USAGE = {
    "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3},
}
WORDS = ["Hel", "lo, ", "wörld ", "😀", " and \"quotes\"\n"]
ARGUMENTS = ['{"ci', 'ty":"Lis', 'bon"}']


class Received:
    """What has arrived, for tests to look at."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = []

    def add(self, path, body, headers):
        with self.lock:
            self.calls.append({"path": path, "body": body, "headers": dict(headers)})

    def count(self):
        with self.lock:
            return len(self.calls)

    def last(self):
        with self.lock:
            return self.calls[-1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.received.add(self.path, b"", self.headers)
        if self.path.endswith("/models"):
            models = [{"id": "m-1", "object": "model", "created": 1, "owned_by": "test"}]
            return self.send_json(200, {"object": "list", "data": models})
        return self.send_json(404, {"error": {"message": "no such page", "type": "not_found"}})

    def do_POST(self):
        body = self.read_body()
        self.server.received.add(self.path, body, self.headers)
        if families_upstream.matches(self.path):
            return families_upstream.answer(self, body)
        call = json.loads(body)
        if self.path.endswith("/chat/completions"):
            self.openai(call, body)
        elif self.path.endswith("/messages"):
            self.anthropic(call, body)
        elif self.path.endswith("/embeddings"):
            vector = {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}
            usage = {"prompt_tokens": 2, "total_tokens": 2}
            model = call["model"]
            self.send_json(200, {"object": "list", "data": [vector], "model": model, "usage": usage})
        elif self.path.endswith("/completions"):
            self.completions(call)
        else:
            self.send_json(404, {"error": {"message": "no such page", "type": "not_found"}})

    def read_body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    # OpenAI

    def openai(self, call, body):
        model = call["model"]
        if model.startswith("error-"):
            status = int(model.removeprefix("error-"))
            error = {"message": f"scripted {status}", "type": "scripted_error", "param": "p", "code": "c1"}
            return self.send_json(status, {"error": error})
        if call.get("stream"):
            return self.openai_stream(call, model)
        message = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
        finish = "stop"
        if call.get("tools"):
            function = {"name": "weather", "arguments": "".join(ARGUMENTS)}
            message["content"] = None
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
            finish = "tool_calls"
        if call.get("response_format"):
            message["content"] = '{"city":"Lisbon","degrees":21}'
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        self.send_json(200, {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000,
            "model": model, "choices": [choice], "usage": USAGE, "system_fingerprint": "fp",
            "x_unknown": {"kept": True}}, body)

    def openai_stream(self, call, model):
        self.start_stream()
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": model}

        def chunk(delta, finish=None):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            self.event({**head, "choices": [choice]})

        chunk({"role": "assistant", "content": ""})
        if call.get("tools"):
            function = {"name": "weather", "arguments": ""}
            chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]})
            for piece in ARGUMENTS:
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            chunk({}, "tool_calls")
        else:
            for number, word in enumerate(families_upstream.LEAK if model.startswith("leak") else WORDS):
                if model.startswith("cut") and number == 2:
                    return self.cut(model)
                if model == "slow":
                    time.sleep(SLOW_PAUSE_S)
                chunk({"content": word})
            chunk({}, "stop")
        if (call.get("stream_options") or {}).get("include_usage"):
            self.event({**head, "choices": [], "usage": USAGE})
        self.piece(b"data: [DONE]\n\n")
        self.end_stream()

    def completions(self, call):
        choice = {"index": 0, "text": "".join(WORDS), "logprobs": None, "finish_reason": "stop"}
        head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": call["model"]}
        if not call.get("stream"):
            return self.send_json(200, {**head, "choices": [choice], "usage": USAGE})
        self.start_stream()
        for word in WORDS:
            self.event({**head, "choices": [{**choice, "text": word, "finish_reason": None}]})
        self.event({**head, "choices": [{**choice, "text": ""}]})
        self.piece(b"data: [DONE]\n\n")
        self.end_stream()

    # Anthropic

    def anthropic(self, call, body):
        model = call["model"]
        if model.startswith("error-"):
            status = int(model.removeprefix("error-"))
            error = {"type": "scripted_error", "message": f"scripted {status}"}
            return self.send_json(status, {"type": "error", "error": error, "request_id": "req_1"})
        if call.get("stream"):
            return self.anthropic_stream(call, model)
        content = [{"type": "text", "text": "".join(WORDS)}]
        stop = "end_turn"
        if call.get("tools"):
            content.append({"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Lisbon"}})
            stop = "tool_use"
        self.send_json(200, {
            "id": "msg_1", "type": "message", "role": "assistant", "model": model,
            "content": content, "stop_reason": stop, "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 7, "cache_read_input_tokens": 3}}, body)

    def anthropic_stream(self, call, model):
        self.start_stream()

        def event(kind, **rest):
            self.event({"type": kind, **rest}, kind)

        message = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 1}}
        event("message_start", message=message)
        event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        event("ping")
        for number, word in enumerate(families_upstream.LEAK if model.startswith("leak") else WORDS):
            if model.startswith("cut") and number == 2:
                return self.cut(model)
            if model == "slow":
                time.sleep(SLOW_PAUSE_S)
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
        event("content_block_stop", index=0)
        stop = "end_turn"
        if call.get("tools"):
            block = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
            event("content_block_start", index=1, content_block=block)
            for piece in ARGUMENTS:
                event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": piece})
            event("content_block_stop", index=1)
            stop = "tool_use"
        event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": 7})
        event("message_stop")
        self.end_stream()

    # HTTP

    def send_json(self, status, value, received=b""):
        data = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", "req_scripted")
        self.send_header("x-received-sha256", hashlib.sha256(received).hexdigest())
        if status == 429:
            self.send_header("retry-after", "7")
        self.end_headers()
        self.wfile.write(data)

    def start_stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("x-request-id", "req_scripted")
        self.end_headers()

    def event(self, value, kind=None):
        head = f"event: {kind}\n" if kind else ""
        self.piece(f"{head}data: {json.dumps(value, ensure_ascii=False)}\n\n".encode())

    def piece(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")

    def cut(self, model):
        """Breaks off, between two events or within one."""
        if model == "cut-within-event":
            self.piece(b'data: {"id":"cha')
        self.close_connection = True
        self.connection.shutdown(2)


class Upstream(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.received = Received()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def handle_error(self, request, client_address):
        """A caller that goes away is part of the script."""
