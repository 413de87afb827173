"""The scripted model server's other protocols: Responses, Gemini, Bedrock, Ollama. Signatures of
calls to Bedrock are verified with botocore. A model whose name begins with `leak` says a secret, split over the pieces of its answer."""

import base64
import binascii
import json
import struct

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway import AWS

SECRET = "AKIAIOSFODNN7EXAMPLQ"
PAD = "The three cities that people visit first are Lisbon, Porto and Coimbra. " * 8
LEAK = [PAD, "key AKIAIO", "SFODNN7EX", "AMPLQ ", PAD]
WORDS = ["Hel", "lo, ", "wörld ", "😀", " and \"quotes\"\n"]
ARGUMENTS = ['{"ci', 'ty":"Lis', 'bon"}']


def words(model):
    return LEAK if model.startswith("leak") else WORDS


def matches(path):
    path = path.split("?")[0]
    return (path.endswith("/responses") or ":" in path.rsplit("/", 1)[-1] or "/model/" in path
            or path.startswith("/api/") or path.endswith(("/images/generations", "/moderations", "/audio/transcriptions",
                                                          "/audio/speech", "/files", "/batches", "/count_tokens")))


def answer(handler, body):
    path, _, query = handler.path.partition("?")
    if path.endswith("/responses"):
        return responses(handler, json.loads(body))
    if path.startswith("/api/"):
        return ollama(handler, path, json.loads(body))
    if "/model/" in path:
        problem = signature_problem(handler, body)
        if problem:
            return handler.send_json(403, {"message": problem})
        return bedrock(handler, path, json.loads(body))
    if ":" in path.rsplit("/", 1)[-1]:
        return gemini(handler, path, query, json.loads(body))
    return operations(handler, path, body)


# Amazon's signatures

SECRETS = {"a": ("s", None), AWS["AKID"]: (AWS["SECRET"], AWS["TOKEN"])}


def signature_problem(handler, body):
    """Verifies a signature as the service does, by making it again from what is signed."""
    scheme, _, rest = handler.headers["authorization"].partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    key, _, region, service, _ = fields["Credential"].split("/")
    secret, token = SECRETS[key]
    names = fields["SignedHeaders"].split(";")
    signed = {name: handler.headers[name] for name in names}
    url = f"http://{handler.headers['host']}{handler.path}"
    request = AWSRequest(method=handler.command, url=url, data=body, headers=signed)
    request.context["timestamp"] = handler.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(key, secret, token), service, region)
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    if (scheme, expected) != ("AWS4-HMAC-SHA256", fields["Signature"]):
        return "the signature does not hold"
    if handler.headers["x-amz-security-token"] != token or service != "bedrock":
        return "the session token or the service is another"
    return None


# Operations that are answered whole

def operations(handler, path, body):
    if path.endswith("/images/generations"):
        return handler.send_json(200, {"created": 1, "data": [{"b64_json": "AAAA"}]})
    if path.endswith("/moderations"):
        result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
        return handler.send_json(200, {"id": "modr-1", "model": "m", "results": [result]})
    if path.endswith("/audio/transcriptions"):
        return handler.send_json(200, {"text": "hello there"}, body)
    if path.endswith("/audio/speech"):
        data = b"ID3\x00\x01\x02\xff"
        handler.send_response(200)
        handler.send_header("content-type", "audio/mpeg")
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        return handler.wfile.write(data)
    if path.endswith("/files"):
        return handler.send_json(200, {
            "id": "file-1", "object": "file", "bytes": len(body), "created_at": 1, "filename": "in.jsonl",
            "purpose": "batch", "status": "processed"}, body)
    if path.endswith("/batches"):
        return handler.send_json(200, {
            "id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-1",
            "completion_window": "24h", "status": "validating", "created_at": 1})
    return handler.send_json(200, {"input_tokens": 14})


# Responses

def response(model, status, output):
    return {
        "id": "resp_1", "object": "response", "created_at": 1_790_000_000, "status": status, "model": model,
        "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "temperature": 1.0, "top_p": 1.0,
        "usage": {"input_tokens": 11, "input_tokens_details": {"cached_tokens": 3}, "output_tokens": 7,
                  "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 18}}


def responses(handler, call):
    model = call["model"]
    text = "".join(words(model))
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    function = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1",
                "name": "weather", "arguments": "".join(ARGUMENTS)}
    output = [message] + ([function] if call.get("tools") else [])
    if not call.get("stream"):
        return handler.send_json(200, response(model, "completed", output))
    handler.start_stream()
    number = 0

    def event(kind, **rest):
        nonlocal number
        handler.event({"type": kind, "sequence_number": number, **rest}, kind)
        number += 1

    event("response.created", response=response(model, "in_progress", []))
    event("response.in_progress", response=response(model, "in_progress", []))
    empty = {**message, "status": "in_progress", "content": []}
    event("response.output_item.added", output_index=0, item=empty)
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    event("response.content_part.added", **where, part={**part, "text": ""})
    for word in words(model):
        event("response.output_text.delta", **where, delta=word, logprobs=[])
    event("response.output_text.done", **where, text=text, logprobs=[])
    event("response.content_part.done", **where, part=part)
    event("response.output_item.done", output_index=0, item=message)
    if call.get("tools"):
        event("response.output_item.added", output_index=1, item={**function, "arguments": "", "status": "in_progress"})
        for piece in ARGUMENTS:
            event("response.function_call_arguments.delta", item_id="fc_1", output_index=1, delta=piece)
        event("response.function_call_arguments.done", item_id="fc_1", output_index=1, name="weather",
              arguments="".join(ARGUMENTS))
        event("response.output_item.done", output_index=1, item=function)
    event("response.completed", response=response(model, "completed", output))
    handler.end_stream()


# Gemini

def gemini(handler, path, query, call):
    model, operation = path.rsplit("/", 1)[-1].split(":")
    if operation == "countTokens":
        return handler.send_json(200, {"totalTokens": 11})
    if operation in ("embedContent", "batchEmbedContents"):
        return handler.send_json(200, {"embeddings": [{"values": [0.5, -0.25]}]})
    usage = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}

    def chunk(parts, finish=None):
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "r-1"}

    tool = [{"functionCall": {"name": "weather", "args": {"city": "Lisbon"}}}] if call.get("tools") else []
    if operation == "generateContent":
        return handler.send_json(200, chunk([{"text": "".join(words(model))}] + tool, "STOP"))
    chunks = [chunk([{"text": word}]) for word in words(model)] + [chunk(tool or [{"text": ""}], "STOP")]
    if "alt=sse" not in query:
        return handler.send_json(200, chunks)
    handler.start_stream()
    for item in chunks:
        handler.piece(f"data: {json.dumps(item, ensure_ascii=False)}\r\n\r\n".encode())
    handler.end_stream()


# Bedrock

def message(event, payload):
    headers = b""
    for name, value in ((":event-type", event), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    data = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    body = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + data
    return body + struct.pack(">I", binascii.crc32(body))


def start_events(handler):
    handler.send_response(200)
    handler.send_header("content-type", "application/vnd.amazon.eventstream")
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()


def bedrock(handler, path, call):
    model, operation = path.rsplit("/model/", 1)[1].rsplit("/", 1)
    usage = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
    tool = {"toolUseId": "t1", "name": "weather"}
    if operation == "converse":
        content = [{"text": "".join(words(model))}]
        if call.get("toolConfig"):
            content.append({"toolUse": {**tool, "input": {"city": "Lisbon"}}})
        return handler.send_json(200, {
            "output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn",
            "usage": usage, "metrics": {"latencyMs": 1}})
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": model,
             "content": [{"type": "text", "text": "".join(words(model))}], "stop_reason": "end_turn",
             "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 7}}
    if operation == "invoke":
        return handler.send_json(200, whole)
    start_events(handler)
    if operation == "converse-stream":
        handler.piece(message("messageStart", {"role": "assistant"}))
        for word in words(model):
            handler.piece(message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}))
        handler.piece(message("contentBlockStop", {"contentBlockIndex": 0}))
        if call.get("toolConfig"):
            handler.piece(message("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": tool}}))
            for piece in ARGUMENTS:
                delta = {"contentBlockIndex": 1, "delta": {"toolUse": {"input": piece}}}
                handler.piece(message("contentBlockDelta", delta))
            handler.piece(message("contentBlockStop", {"contentBlockIndex": 1}))
        handler.piece(message("messageStop", {"stopReason": "end_turn"}))
        handler.piece(message("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}))
    else:
        events = [{"type": "message_start", "message": {**whole, "content": []}},
                  {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
        events += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
                   for word in words(model)]
        events += [{"type": "content_block_stop", "index": 0},
                   {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
                   {"type": "message_stop"}]
        for event in events:
            data = base64.b64encode(json.dumps(event).encode()).decode()
            handler.piece(message("chunk", {"bytes": data, "p": "abc"}))
    handler.end_stream()


# Ollama

def ollama(handler, path, call):
    model = call.get("model", "")
    counts = {"prompt_eval_count": 11, "eval_count": 7, "done_reason": "stop"}
    head = {"model": model, "created_at": "2026-09-21T12:00:00Z"}
    if path.endswith("/embed"):
        return handler.send_json(200, {**head, "embeddings": [[0.5, -0.25]]})

    def line(text, done):
        said = {"message": {"role": "assistant", "content": text}} if path.endswith("/chat") else {"response": text}
        if done and call.get("tools"):
            said["message"]["tool_calls"] = [{"function": {"name": "weather", "arguments": {"city": "Lisbon"}}}]
        return {**head, **said, "done": done, **(counts if done else {})}

    if call.get("stream") is False:
        return handler.send_json(200, line("".join(words(model)), True))
    handler.send_response(200)
    handler.send_header("content-type", "application/x-ndjson")
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    for word in words(model):
        handler.piece(json.dumps(line(word, False), ensure_ascii=False).encode() + b"\n")
    handler.piece(json.dumps(line("", True)).encode() + b"\n")
    handler.end_stream()
