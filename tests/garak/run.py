"""garak as an attacker through the gateway, before a scripted model server.

No probe may break the gateway, and every attempt must have exactly one decision. The attempts are
counted in garak's own report, the decisions by the gateway.

  python run.py --bin atalaya --garak "python -m garak" [--probes all] [--cap 20]
"""

import argparse
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sdk"))
from gateway import Gateway, free_port  # noqa: E402
from upstream import Upstream  # noqa: E402

SETTINGS = """
system:
  parallel_attempts: 8
  lite: false
run:
  generations: 1
  soft_probe_prompt_cap: {cap}
  seed: 1
plugins:
  target_type: openai.OpenAICompatible
  target_name: m-1
  probe_spec: {probes}
  detector_spec: always.Pass
  extended_detectors: false
  generators:
    openai:
      OpenAICompatible:
        uri: {url}/v1/
        max_tokens: 32
        retry_json: false
reporting:
  report_prefix: {folder}/report
"""


def decisions(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    counts = dict(re.findall(r'atalaya_decisions_total\{decision="(\w+)"\} (\d+)', text))
    return {name: int(count) for name, count in counts.items()}


def decided_about_chats(binary, data):
    """What the log has of garak's calls; garak looks at the address itself as well."""
    question = "AIGuardrailDecisions | where HttpPath endswith '/chat/completions' | count"
    command = [binary, "query", question, "--data-dir", data, "--format", "csv"]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()[-1])


def attempts(folder):
    """Probes, and answers that garak got or missed: each is one call."""
    probes, calls, missed = set(), 0, 0
    for name in os.listdir(folder):
        if not name.endswith(".report.jsonl"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as report:
            for line in report:
                entry = json.loads(line)
                if entry.get("entry_type") == "attempt" and entry.get("status") == 1:
                    probes.add(entry["probe_classname"])
                    calls += len(entry["outputs"])
                    missed += sum(output is None for output in entry["outputs"])
    return probes, calls, missed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--garak", required=True, help="how garak is started")
    parser.add_argument("--probes", default="all")
    parser.add_argument("--cap", type=int, default=20, help="most prompts of one probe")
    parser.add_argument("--timeout", type=int, default=3_600)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="atalaya-garak-")
    upstream = Upstream()
    gateway = Gateway(os.path.abspath(options.bin), os.path.join(folder, "node"), (upstream.port, free_port()), "refusal")
    settings = os.path.join(folder, "garak.yaml")
    with open(settings, "w", encoding="utf-8") as out:
        out.write(SETTINGS.format(cap=options.cap, probes=options.probes, url=gateway.url, folder=folder))
    environment = {**os.environ, "OPENAICOMPATIBLE_API_KEY": "k", "XDG_DATA_HOME": folder, "HF_HUB_OFFLINE": "1"}
    try:
        ended = subprocess.run([*shlex.split(options.garak), "--config", settings], env=environment,
                               timeout=options.timeout, check=False).returncode
    except subprocess.TimeoutExpired:
        ended = "cut off: out of time"
    counted = decisions(gateway.admin_port)
    probes, calls, missed = attempts(folder)
    status = gateway.stop()
    total = decided_about_chats(os.path.abspath(options.bin), os.path.join(folder, "node", "data"))
    panicked = "panicked" in gateway.tail()
    print(f"garak ended with {ended}; {len(probes)} probes, {calls} attempts ({missed} without an answer), "
          f"{total} decisions about them ({counted} in all), gateway ended with {status}, panicked: {panicked}")
    is_fine = calls == total and calls > 0 and status == 0 and not panicked
    if is_fine:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"logs and reports are in {folder}")
    sys.exit(0 if is_fine else 1)


if __name__ == "__main__":
    main()
