"""kill -9 the gateway under load and hold it to its promise.

The promise: a call that a client saw answered has its decision row. The test keeps the
`x-atalaya-decision-id` of every complete answer, kills the process at random moments, restarts
it on the same data folder, and at the end asks the log for every id and verifies the chain.
Python's standard library only; everything on loopback; bounded in count and time.
"""

import argparse
import http.client
import http.server
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS = 8
START_TIMEOUT_S = 30
KILL_AFTER_S = (0.15, 0.6)

ANSWER = json.dumps(
    {
        "id": "chatcmpl-crash",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    }
).encode()


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers every chat call with the same completion."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *args):
        pass


class UpstreamServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A gateway that is killed resets its connections: that is the test."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_config(folder, port, admin_port, upstream_port):
    path = os.path.join(folder, "atalaya.yml")
    with open(path, "w", encoding="utf-8") as out:
        out.write(
            f"""version: 1
data_dir: {folder}/data
admin:
  listen: 127.0.0.1:{admin_port}
gateway:
  listen: ["127.0.0.1:{port}"]
  upstreams:
    scripted:
      base_url: http://127.0.0.1:{upstream_port}
  routes:
    - upstream: scripted
"""
        )
    return path


class Gateway:
    """The process under test."""

    def __init__(self, binary, config, admin_port, log):
        self.command = [binary, "serve", "--config", config]
        self.admin_port = admin_port
        self.log = log
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"the gateway stopped by itself with {self.process.returncode}")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=1)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise SystemExit("the gateway did not become ready")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def client(port, stop, answered, number):
    """Sends calls until told to stop; remembers the id of every complete answer."""
    connection = None
    turn = 0
    while not stop.is_set():
        turn += 1
        body = json.dumps(
            {"model": "scripted", "messages": [{"role": "user", "content": f"call {number}-{turn}"}]}
        )
        try:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            headers = {"content-type": "application/json", "authorization": f"Bearer caller-{number}"}
            connection.request("POST", "/v1/chat/completions", body, headers)
            response = connection.getresponse()
            content = response.read()
            decision_id = response.getheader("x-atalaya-decision-id")
            if response.status == 200 and content == ANSWER:
                if not decision_id:
                    raise SystemExit("an answer without x-atalaya-decision-id")
                answered.append(decision_id)
        except (OSError, http.client.HTTPException):
            connection = None
            time.sleep(0.01)


def rows_in_log(binary, data):
    query = "AIGuardrailDecisions | project DecisionId, Outcome"
    output = subprocess.run(
        [binary, "query", query, "--data-dir", data, "--format", "ndjson", "--rows-max", "5000000"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [json.loads(line) for line in output.splitlines() if line]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", required=True)
    arguments.add_argument("--kills", type=int, default=100)
    options = arguments.parse_args()
    random.seed(7)

    failures = []
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w") as log:
        upstream = UpstreamServer(("127.0.0.1", 0), Upstream)
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        port, admin_port = free_port(), free_port()
        config = write_config(folder, port, admin_port, upstream.server_address[1])
        gateway = Gateway(options.bin, config, admin_port, log)
        answered, stop = [], threading.Event()
        gateway.start()
        clients = [
            threading.Thread(target=client, args=(port, stop, answered, number), daemon=True)
            for number in range(CLIENTS)
        ]
        for thread in clients:
            thread.start()
        for _ in range(options.kills):
            time.sleep(random.uniform(*KILL_AFTER_S))
            gateway.kill()
            gateway.start()
        stop.set()
        for thread in clients:
            thread.join(timeout=10)
        code = gateway.stop()
        if code != 0:
            failures.append(f"SIGTERM ended the gateway with {code}, not 0")

        data = os.path.join(folder, "data")
        verify = subprocess.run(
            [options.bin, "log", "verify", "--data-dir", data], capture_output=True, text=True
        )
        if verify.returncode != 0:
            failures.append(f"the chain does not verify: {verify.stdout} {verify.stderr}")
        rows = rows_in_log(options.bin, data)
        ids = [row["DecisionId"] for row in rows]
        lost = set(answered) - set(ids)
        if lost:
            failures.append(f"{len(lost)} answered calls have no decision row, e.g. {sorted(lost)[:3]}")
        if len(ids) != len(set(ids)):
            failures.append(f"{len(ids) - len(set(ids))} decision rows are doubled")
        print(f"{options.kills} kills, {len(answered)} answered calls, {len(ids)} decision rows")
        if failures:
            log.flush()
            with open(os.path.join(folder, "log"), encoding="utf-8") as text:
                print("".join(text.readlines()[-20:]), file=sys.stderr)
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    print(f"{3 - min(len(failures), 3)} passed, {min(len(failures), 3)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
