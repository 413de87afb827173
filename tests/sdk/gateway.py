"""The gateway under test: its configuration in one place, its start and its end."""

import http.client
import os
import signal
import socket
import subprocess
import time

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
BODY_BYTES_MAX = 1 << 20
# With which calls to Bedrock are signed again.
AWS = {"AKID": "AKIDGATEWAY", "SECRET": "gateway-secret", "TOKEN": "gateway-session-token"}
BLOCK_TEXT = "Declined by the test policy."


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_config(folder, port, admin_port, upstream_ports, style):
    """Everything that depends on the format of configuration and policy."""
    upstream_port, mcp_port = upstream_ports
    policy = os.path.join(folder, "policy.yml")
    with open(policy, "w", encoding="utf-8") as out:
        out.write(f"""version: 1
id: sdk-conformance
revision: "1"
mode: enforce
# Everything that is found is blocked: CONSTRAIN would make answers differ from direct ones.
thresholds: {{ log: 20, constrain: 60, block: 60 }}
on_block:
  style: {style}
  text: {BLOCK_TEXT}
""")
    path = os.path.join(folder, "atalaya.yml")
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"""version: 1
data_dir: {folder}/data
policy: {policy}
# All attacks come from one caller here, and the next check is not to be refused for the last one.
respond:
  contain_shared: never
admin:
  listen: 127.0.0.1:{admin_port}
gateway:
  listen: ["127.0.0.1:{port}"]
  upstreams:
    scripted:
      base_url: http://127.0.0.1:{upstream_port}
    amazon:
      base_url: http://127.0.0.1:{upstream_port}
      aws:
        access_key_id: {AWS["AKID"]}
        secret_access_key: ${{env:TEST_AWS_SECRET}}
        session_token: ${{env:TEST_AWS_TOKEN}}
        region: eu-west-1
    mcp:
      base_url: http://127.0.0.1:{mcp_port}
    down:
      base_url: http://127.0.0.1:{free_port()}
  routes:
    - protocol: mcp
      upstream: mcp
    - protocol: bedrock.converse
      upstream: amazon
    - protocol: bedrock.invoke
      upstream: amazon
    - model: "down*"
      upstream: down
    - upstream: scripted
  limits:
    body_bytes_max: {BODY_BYTES_MAX}
""")
    return path


class Gateway:
    def __init__(self, binary, folder, upstream_ports, style):
        os.makedirs(folder)
        self.port, self.admin_port = free_port(), free_port()
        config = write_config(folder, self.port, self.admin_port, upstream_ports, style)
        self.log_path = os.path.join(folder, "gateway.log")
        self.log = open(self.log_path, "wb")
        command = [binary, "serve", "--config", config]
        environment = {**os.environ, "TEST_AWS_SECRET": AWS["SECRET"], "TEST_AWS_TOKEN": AWS["TOKEN"]}
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment)
        self.wait_until_ready()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"the gateway stopped with {self.process.returncode}:\n{self.tail()}")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=1)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        self.process.kill()
        raise SystemExit(f"the gateway did not become ready:\n{self.tail()}")

    def tail(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError("the gateway did not stop within the time of a drain") from None
        return self.process.returncode
