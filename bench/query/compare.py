#!/usr/bin/env python3
"""Asks Atalaya and its peers the same questions about the same files, in turn, and prints ratios.

Every engine is a process of its own with the same number of threads. A round asks each engine the
same query once, so that whatever else the machine does meets all of them alike; the medians of CPU
seconds are compared, because they depend least on it.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
import tomllib
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent
PEERS = ["datafusion", "duckdb", "chdb"]


def cpu_seconds(pid):
    """User and system time of another process: Linux makes its clock's number of the process's."""
    return time.clock_gettime((~pid << 3) | 2)


def total(rows):
    cells = [cell for row in rows for cell in row]
    numbers = [float(c) for c in cells if isinstance(c, (int, float, Decimal)) and not isinstance(c, bool)]
    return sum(n for n in numbers if math.isfinite(n))


def duckdb_engine(folder, threads):
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}; SET TimeZone = 'UTC'")
    connection.execute(f"CREATE VIEW T AS SELECT * FROM read_parquet('{folder}/*.parquet')")
    return lambda query: connection.execute(query).fetchall()


def datafusion_engine(folder, threads):
    import datafusion

    config = datafusion.SessionConfig().with_target_partitions(threads)
    # What a reader of these files would turn on.
    config = config.set("datafusion.execution.parquet.pushdown_filters", "true")
    context = datafusion.SessionContext(config)
    context.register_parquet("t", str(folder))

    def run(query):
        batches = context.sql(query).collect()
        return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]

    return run


def chdb_engine(folder, threads):
    from chdb.session import Session

    session = Session()
    source = f"file('{folder}/*.parquet', 'Parquet')"

    def run(query):
        text = query.replace("FROM T", f"FROM {source}")
        settings = f" SETTINGS max_threads = {threads}, join_use_nulls = 1"
        answer = session.query(text + settings, "JSONCompactEachRow").bytes().decode()
        cells = lambda row: [float(c) if isinstance(c, str) and c.replace(".", "").isdigit() else c for c in row]
        return [cells(json.loads(line)) for line in answer.splitlines() if line]

    return run


def worker(name, folder, threads):
    """Answers a line of JSON with a line of JSON until the input ends."""
    run = {"duckdb": duckdb_engine, "datafusion": datafusion_engine, "chdb": chdb_engine}[name](folder, threads)
    for line in sys.stdin:
        wall = time.monotonic()
        try:
            rows = run(json.loads(line)["query"])
            answer = {"wall_s": time.monotonic() - wall, "rows": len(rows), "sum": total(rows)}
        except Exception as error:
            answer = {"error": str(error)[:300]}
        print(json.dumps(answer), flush=True)


class Engine:
    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, query):
        cpu = cpu_seconds(self.process.pid)
        self.process.stdin.write(json.dumps({"query": query}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "it ended"}
        return {**answer, "cpu_s": cpu_seconds(self.process.pid) - cpu} if line else answer


def text_for(query, engine):
    if engine == "atalaya":
        return query["kql"]
    return query.get(engine, query.get("sql"))


def measure(query, engines, rounds):
    costs, answers = {}, {}
    for turn in range(rounds + 1):
        for engine in engines:
            answer = engine.ask(text_for(query, engine.name))
            if "error" in answer:
                print(f"{query['name']}: {engine.name}: {answer['error']}", file=sys.stderr)
                continue
            answers[engine.name] = (answer["rows"], answer["sum"])
            if turn > 0:
                costs.setdefault(engine.name, []).append(answer)
    medians = {
        name: {key: statistics.median(c[key] for c in list_) for key in ("cpu_s", "wall_s")}
        for name, list_ in costs.items()
    }
    return medians, answers


def check(query, answers):
    """Says where an engine's answer is another one's."""
    wanted = answers.get("atalaya")
    for name, answer in answers.items():
        slack = 0.05 if query.get("approximate") else 1e-6
        near = math.isclose(answer[1], wanted[1], rel_tol=slack, abs_tol=1e-3)
        if answer[0] != wanted[0] or not near:
            print(f"{query['name']}: {name} answers {answer}, atalaya {wanted}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--binary", help="atalaya-bench-query")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--worker")
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(arguments.worker, arguments.folder, arguments.threads)
    threads = str(arguments.threads)
    engines = [Engine("atalaya", [arguments.binary, "serve", str(arguments.folder), "--threads", threads])]
    for peer in filter(None, arguments.peers.split(",")):
        command = [sys.executable, __file__, str(arguments.folder), "--worker", peer, "--threads", threads]
        engines.append(Engine(peer, command))
    queries = tomllib.loads((HERE / "queries.toml").read_text())["query"]
    names = [engine.name for engine in engines]
    print("CPU seconds (wall)".ljust(18) + "".join(name.rjust(20) for name in names))
    logs = {name: [] for name in names}
    for query in queries:
        if arguments.only and query["name"] not in arguments.only.split(","):
            continue
        medians, answers = measure(query, engines, arguments.rounds)
        if "atalaya" not in medians:
            continue
        check(query, answers)
        own = medians["atalaya"]["cpu_s"]
        cells = []
        for name in names:
            if name not in medians:
                cells.append("-".rjust(20))
                continue
            ratio = medians[name]["cpu_s"] / max(own, 1e-4)
            logs[name].append(math.log(max(ratio, 1e-4)))
            cells.append(f"{medians[name]['cpu_s']:.3f} ({medians[name]['wall_s']:.3f}) {ratio:5.2f}x".rjust(20))
        print(query["name"].ljust(18) + "".join(cells), flush=True)
    means = [f"{math.exp(statistics.mean(list_)):.2f}x" if list_ else "-" for list_ in logs.values()]
    print("geometric mean".ljust(18) + "".join(mean.rjust(20) for mean in means))
    for engine in engines:
        engine.process.stdin.close()


if __name__ == "__main__":
    main()
