"""Recorded answers of Microsoft's own engine beside those of Atalaya and its peers.

Every engine is a process of its own that gets the same queries and gives one line of JSON for
each; one comparison judges all of them. Columns are compared by place, rows as multisets unless
the case says that their order counts, arrays that the engine fills in any order as sets, reals to
nine digits, times to the tick.
"""

import argparse
import datetime
import decimal
import json
import math
import pathlib
import re
import subprocess
import sys
import threading
import uuid

SECONDS_MAX = 10
MEMORY_MAX = 2_000_000_000
EPOCH = datetime.datetime(1, 1, 1)
TICKS = 10_000_000


# The engines: each reads cases and writes answers.


def ask_duckdb(cases):
    import duckdb
    import duckdb_kql

    for case in cases:
        connection = duckdb_kql.connect(config={"memory_limit": "2GB", "threads": "2"})
        timer = threading.Timer(SECONDS_MAX, connection.interrupt)
        timer.start()
        try:
            result = duckdb_kql.kql(connection, case["query"])
            yield {"columns": list(result.columns), "rows": [list(row) for row in result.fetchall()]}
        except duckdb_kql.KqlError as error:
            yield {"error": str(error)}
        except duckdb.Error as error:
            yield {"error": str(error)}
        finally:
            timer.cancel()
            connection.close()


def ask_chdb(cases):
    from chdb import session

    engine = session.Session()
    for setting, value in [
        ("allow_experimental_kusto_dialect", 1),
        ("max_execution_time", SECONDS_MAX),
        ("max_memory_usage", MEMORY_MAX),
        ("max_threads", 2),
        ("dialect", "'kusto'"),
    ]:
        engine.query(f"SET {setting}={value}")
    for case in cases:
        try:
            shown = json.loads(str(engine.query(case["query"], "JSONCompact")))
            yield {"columns": [column["name"] for column in shown["meta"]], "rows": shown["data"]}
        except Exception as error:  # the client raises its own and plain ones
            yield {"error": str(error)[:300]}


PEERS = {"duckdb-kql": ask_duckdb, "chdb": ask_chdb}


def plain(value):
    """What JSON cannot say, as text."""
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, datetime.timedelta):
        return {"ticks": (value.days * 86_400 + value.seconds) * TICKS + value.microseconds * 10}
    if isinstance(value, (datetime.date, datetime.time, uuid.UUID)):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return repr(value)


def child(name, path):
    cases = [json.loads(line) for line in open(path)]
    for case, answer in zip(cases, PEERS[name](cases)):
        print(json.dumps({"id": case["id"], **answer}, default=plain), flush=True)


def answers(command, queries):
    """Answers by id. A process that dies goes on behind the case that killed it."""
    given, left = {}, list(queries)
    while left:
        lines = "".join(json.dumps(case) + "\n" for case in left)
        out = command(lines)
        for line in out.splitlines():
            if line.startswith('{"'):
                answer = json.loads(line)
                given[answer["id"]] = answer
        left = [case for case in left if case["id"] not in given]
        if left:
            given[left[0]["id"]] = {"error": "the engine died"}
            left = left[1:]
    return given


# The comparison.


def ticks_of_time(text):
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|\+00:00)?", text)
    if not found:
        return None
    day = (datetime.datetime.fromisoformat(found[1]) - EPOCH).days
    seconds = day * 86_400 + int(found[2]) * 3_600 + int(found[3]) * 60 + int(found[4])
    return seconds * TICKS + int((found[5] or "0").ljust(7, "0")[:7])


def ticks_of_span(value):
    if isinstance(value, dict) and "ticks" in value:
        return value["ticks"]
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(-)?(?:(\d+)[. ](?:days? )?)?(\d+):(\d\d):(\d\d)(?:\.(\d+))?", value)
    if not found:
        return value
    seconds = int(found[2] or 0) * 86_400 + int(found[3]) * 3_600 + int(found[4]) * 60 + int(found[5])
    ticks = seconds * TICKS + int((found[6] or "0").ljust(7, "0")[:7])
    return -ticks if found[1] else ticks


def number(value):
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isnan(value):
            return "NaN"
        return value
    return value


def inner(value):
    """Inside of a dynamic: times and spans are ticks, numbers are numbers."""
    if isinstance(value, list):
        return [inner(item) for item in value]
    if isinstance(value, dict):
        return {key: inner(item) for key, item in value.items()}
    if isinstance(value, str):
        ticks = ticks_of_time(value)
        if ticks is not None:
            return ticks
        return ticks_of_span(value)
    return value


def normal(value, ty):
    if value is None:
        return "" if ty == "string" else None
    if ty == "datetime" and isinstance(value, str):
        ticks = ticks_of_time(value)
        return value if ticks is None else ticks
    if ty == "timespan":
        return ticks_of_span(value)
    if ty in ("real", "decimal"):
        return number(value)
    if ty in ("int", "long") and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    if ty == "bool" and value in (0, 1):
        return bool(value)
    if ty == "dynamic":
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                pass
        return inner(value)
    return value


def near(one, other):
    if isinstance(one, bool) or isinstance(other, bool):
        return one == other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        if one == other:
            return True
        if isinstance(one, int) and isinstance(other, int):
            return False
        return abs(one - other) <= 1e-9 * max(abs(one), abs(other))
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return False
        return all(near(a, b) for a, b in zip(one, other)) or all(
            near(a, b) for a, b in zip(sorted(one, key=order), sorted(other, key=order))
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(near(one[key], other[key]) for key in one)
    return one == other


def order(value):
    """A key under which what is near stands at the same place."""
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return f"{float(value):.8e}"
    if isinstance(value, list):
        return "[" + ",".join(sorted(order(item) for item in value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{key}:{order(item)}" for key, item in value.items())) + "}"
    return json.dumps(value)


def same(case, answer):
    if len(case["columns"]) != len(answer["columns"]):
        return False
    if case["rows_complete"] is False:
        return len(answer["rows"]) == case["row_count"]
    types = case["types"]
    expected = [[normal(v, t) for v, t in zip(row, types)] for row in case["rows"]]
    given = [[normal(v, t) for v, t in zip(row, types)] for row in answer["rows"]]
    if len(expected) != len(given):
        return False
    if not case["ordered"]:
        expected.sort(key=order)
        given.sort(key=order)
    return all(near(one, other) for one, other in zip(expected, given))


def verdict(case, answer):
    if answer is None:
        return "refused"
    if case["expect"] == "error":
        return "rejected" if "error" in answer else "accepted"
    if "error" in answer:
        return "refused"
    return "right" if same(case, answer) else "wrong"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases")
    parser.add_argument("--answers", help="Atalaya's binary that answers cases")
    parser.add_argument("--notes", help="a folder for the verdicts on every case")
    parser.add_argument("--only", default="atalaya,duckdb-kql,chdb")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child, args.cases)
    cases = [json.loads(line) for line in open(args.cases)]
    cases = [case for case in cases if case.get("scoreable")]
    queries = [{"id": case["id"], "query": case["query"]} for case in cases]
    valid = sum(case["expect"] == "rows" for case in cases)
    invalid = len(cases) - valid

    def atalaya(lines):
        return subprocess.run([args.answers], input=lines, capture_output=True, text=True).stdout

    def peer(name):
        def ask(lines):
            path = pathlib.Path(f"/tmp/kql-conformance-{name}-{threading.get_ident()}.jsonl")
            path.write_text(lines)
            command = [sys.executable, __file__, str(path), "--child", name]
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
            path.unlink()
            return out

        return ask

    print(f"{valid} answers and {invalid} rejections of Microsoft's engine")
    print(f"{'engine':<12} {'right':>14} {'wrong':>12} {'refused':>9} {'rejects':>14}")
    for name in args.only.split(","):
        given = answers(atalaya if name == "atalaya" else peer(name), queries)
        judged = [(case["id"], verdict(case, given.get(case["id"]))) for case in cases]
        count = lambda wanted: sum(found == wanted for _, found in judged)
        right, wrong, refused = count("right"), count("wrong"), count("refused")
        rejected = count("rejected")
        print(
            f"{name:<12} {right:>6} {100 * right / valid:5.1f} % {wrong:>4} {100 * wrong / valid:4.2f} %"
            f" {refused:>9} {rejected:>6}/{invalid} {100 * rejected / max(invalid, 1):3.0f} %",
            flush=True,
        )
        if args.notes:
            folder = pathlib.Path(args.notes)
            folder.mkdir(parents=True, exist_ok=True)
            lines = (f"{found}\t{case}\n" for case, found in judged)
            (folder / f"{name}.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
