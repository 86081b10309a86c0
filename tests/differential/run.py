"""A differential test: `foldlog verify --json`, `tail --json` and `fold` against the independent reader in reader.py, over
mutated journals (mutations.py). Usage:

    python3 tests/differential/run.py --program target/release/foldlog --cases 20000 --seed 1

Case n of seed s is mutated with the seed "s/n", so `--only n` repeats it (and `--keep DIR` keeps its files). The random
identities inside the base journals differ from run to run; the mutations do not depend on them. What differs is counted, and
the first few cases are printed. The exit code is 1 if anything differs.
"""
import argparse
import collections
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import fold
import mutations
import reader

CASE_SECONDS = 10  # a program that takes longer for one case hangs
BATCH = 40
SHOWN = 3
GAP = ("segment", "offset", "bytes", "kind", "first_seq", "last_seq", "acknowledged", "explained")


def ask(program, command, cases):
    try:
        return subprocess.run([program, *command], stdin=subprocess.DEVNULL, capture_output=True, timeout=CASE_SECONDS * cases)
    except subprocess.TimeoutExpired:
        return None


def compare(program, directory, report, with_fold):
    """Gives (what differs, detail) pairs."""
    wrong = []
    try:
        mine = reader.read(directory)
    except reader.Refused:
        refused = ask(program, ["tail", "--json", "--from", "1", directory], 1)
        right = refused is not None and refused.returncode == 4 and not refused.stdout and "gaps" not in (report or {})
        return [] if right else [("not refused", str(report)[:300])]
    tail = ask(program, ["tail", "--json", "--from", "1", directory], 1)
    if tail is None:
        return [("hang", "tail")]
    if tail.returncode not in (0, 1, 3) or b"panicked" in tail.stderr:
        wrong.append(("crash", tail.stderr.decode("utf-8", "replace")[:300]))
    theirs, ours = tail.stdout.split(b"\n")[:-1], [e.line for e in mine.entries if e.is_json]
    if theirs != ours:
        wrong.append(("entries", {"only program": [l[:70].decode("utf-8", "replace") for l in theirs if l not in ours], "only reader": [l[:70].decode("utf-8", "replace") for l in ours if l not in theirs]}))
    if report is None or "gaps" not in report:
        return wrong + [("no report", report)]
    gaps = [tuple(g[k] for k in GAP) for g in report["gaps"]]
    own = [tuple(g[k] for k in GAP) for g in mine.gaps]
    if sorted(map(str, gaps)) != sorted(map(str, own)):
        wrong.append(("gaps", {"only program": [g for g in gaps if g not in own], "only reader": [g for g in own if g not in gaps]}))
    if report["clean"] != mine.clean:
        wrong.append(("clean", {"program": report["clean"], "reader": mine.clean}))
    counts = {"entries": len(mine.entries), "not_json": sum(not e.is_json for e in mine.entries)}
    if counts != {name: report[name] for name in counts}:
        wrong.append(("counts", {"program": {name: report[name] for name in counts}, "reader": counts}))
    if with_fold and theirs == ours:
        answer = ask(program, ["fold", directory], 1)
        if answer is None:
            return wrong + [("hang", "fold")]
        try:
            record = json.loads(answer.stdout)
            turns = [(t["turn_id"], t["status"], [(c["call_id"], c["status"]) for c in t["tool_calls"]]) for t in record["turns"]]
        except ValueError:
            turns = answer.stderr.decode("utf-8", "replace")[:200]
        if turns != fold.fold(mine.entries):
            wrong.append(("fold", {"program": turns, "reader": fold.fold(mine.entries)}))
    return wrong


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--program", required=True)
    options.add_argument("--cases", type=int, default=2000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", type=int)
    options.add_argument("--keep")
    options.add_argument("--log", help="every disagreement, one JSON object a line")
    options.add_argument("--seconds", type=float, default=1e9, help="stop early")
    chosen = options.parse_args()
    program, began = os.path.abspath(chosen.program), time.monotonic()
    log = open(chosen.log, "w") if chosen.log else None
    place = chosen.keep or tempfile.mkdtemp(prefix="differential-")
    bases = mutations.make_bases(program, os.path.join(place, "bases"))
    print("%d base journals in %.1f s" % (len(bases), time.monotonic() - began))
    kinds, done, differing = collections.Counter(), 0, 0
    numbers = [chosen.only] if chosen.only is not None else range(chosen.cases)
    for at in range(0, len(numbers), BATCH):
        if time.monotonic() - began > chosen.seconds:
            break
        batch = []
        for n in numbers[at:at + BATCH]:
            seed = "%d/%d" % (chosen.seed, n)
            base = random.Random("base " + seed).choice(sorted(bases))
            directory = os.path.join(place, "case-%d" % n, "s-1")
            shutil.copytree(bases[base], directory)
            names = mutations.mutate(directory, seed, bases)
            batch.append((n, base, names, directory))
        answer = ask(program, ["verify", "--json", *(d for *_, d in batch)], len(batch))
        lines = answer.stdout.splitlines() if answer else []
        reports = [json.loads(l) for l in lines] if len(lines) == len(batch) else None
        for i, (n, base, names, directory) in enumerate(batch):
            if reports:
                report = reports[i]
            else:
                single = ask(program, ["verify", "--json", directory], 1)
                report = json.loads(single.stdout) if single and single.stdout.strip() else {"error": single.stderr.decode("utf-8", "replace")[:300] if single else "hang"}
            wrong = compare(program, directory, report, n % 4 == 0)
            done += 1
            differing += bool(wrong)
            for what, detail in wrong:
                kinds[what] += 1
                if log:
                    log.write(json.dumps({"case": n, "base": base, "mutations": names, "what": what, "detail": detail}) + "\n")
                if kinds[what] <= SHOWN:
                    print("case %d (%s, %s): %s: %s" % (n, base, "+".join(names), what, detail))
            if not chosen.keep:
                shutil.rmtree(os.path.dirname(directory))
    if not chosen.keep:
        shutil.rmtree(place)
    for what, count in kinds.most_common():
        print("%6d differ in: %s" % (count, what))
    print("seed %d, %.0f s" % (chosen.seed, time.monotonic() - began))
    print("%d cases, %d disagreements" % (done, differing))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
