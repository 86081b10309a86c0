"""A differential test: `foldlog verify --json`, `tail --json` and `fold` against the independent reader in reader.py, over
mutated journals (mutations.py). Usage:

    python3 tests/differential/run.py --program target/release/foldlog --cases 20000 --seed 1

Case n of seed s is mutated with the seed "s/n", so `--only n` repeats it (and `--keep DIR` keeps its files). The random
identities inside the base journals differ from run to run; the mutations do not depend on them. What differs is counted by
cause (see KNOWN) and the first few of each cause are printed. The exit code is 1 if a disagreement has no known cause.
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

import mutations
import reader

CASE_SECONDS = 10  # a program that takes longer for one case hangs
BATCH = 40
SHOWN = 3
GAP = ("segment", "offset", "bytes", "kind", "first_seq", "last_seq", "acknowledged", "explained")


# Disagreements whose cause is known: the program and docs/FORMAT.md differ, or the page is silent. Each is told apart by
# what differs, so that nothing else hides behind it.
KNOWN = {
    "data-not-json": "a line whose checksum holds and whose `data` is no JSON object by the grammar is delivered; section 2 says it is no entry",
    "equal-elsewhere": "a line with bytes equal to an entry of another segment is a `duplicate` gap; section 5 says it is dropped in silence",
    "compacted-end": "bad bytes at the end of a newest segment that is compacted are `foreign`; section 5 says `torn`",
    "header-in-hole": "a bad header before a recovery's report, its numbers within that report's holes, is damage; section 5 says explained",
    "seal-in-header": "a seal whose `bytes` end inside a good header makes a `foreign` gap over that header; the page is silent",
    "durable-by-which-lines": "whether a gap was acknowledged: the program looks at the `synced` of all lines that verify up to `prev.bytes`, also of bad lines whose number is above `prev.last_seq`, and not of lines behind it that the exception of the seal delivers; section 5 says: of a line of the same segment",
    "salvage-in-compacted": "behind a salvaged entry of a compacted segment, numbers that it lacks on purpose are `missing`; section 6 says they are on purpose",
}


def cause(mine, wrong):
    """The known cause of everything that differs in a case, or None."""
    what = dict(wrong)
    if not set(what) <= {"entries", "gaps", "clean"}:
        return None
    if "entries" in what:
        extra = what["entries"]
        return "data-not-json" if extra["lines"] and not extra["only reader"] and all(map(reader.deviates, extra["lines"])) else None
    theirs, ours = (what.get("gaps", {}).get(side, []) for side in ("only program", "only reader"))
    if theirs and not ours and all(g[3] == "duplicate" and g[:2] in mine.repeated for g in theirs):
        return "equal-elsewhere"
    compacted = {s.number for s in mine.live if s.header and s.header.get("compacted")}
    if theirs and not ours and all(g[0] in compacted and g[2:4] == (0, "missing") and g[4] for g in theirs):
        return "salvage-in-compacted"
    starts = {s.number: s.start for s in mine.live}
    if theirs and not ours and all(g[3] == "foreign" and g[1] < starts.get(g[0], 0) == g[1] + g[2] for g in theirs):
        return "seal-in-header"
    if len(theirs) != len(ours) or not ours:
        return None
    pairs = list(zip(sorted(theirs, key=lambda g: g[:3]), sorted(ours, key=lambda g: g[:3])))
    if all(a[:3] == b[:3] and (a[3], b[3]) == ("foreign", "torn") and a[0] in compacted for a, b in pairs):
        return "compacted-end"
    if all(a[:7] == b[:7] and b[7] and a[1] == 0 for a, b in pairs):
        return "header-in-hole"
    durable = {("hole", "corrupt"), ("corrupt", "hole"), ("missing", "missing")}
    if all(a[:3] == b[:3] and a[4:6] == b[4:6] and (a[3], b[3]) in durable and a[6] != b[6] for a, b in pairs):
        return "durable-by-which-lines"
    return None


def ask(program, command, cases):
    try:
        return subprocess.run([program, *command], stdin=subprocess.DEVNULL, capture_output=True, timeout=CASE_SECONDS * cases)
    except subprocess.TimeoutExpired:
        return None


def compare(program, directory, report, with_fold):
    """Gives what the reader found, and (what differs, detail) pairs."""
    wrong = []
    try:
        mine = reader.read(directory)
    except reader.Refused:
        refused = ask(program, ["tail", "--json", "--from", "1", directory], 1)
        right = refused is not None and refused.returncode in (2, 4, 7) and not refused.stdout and "gaps" not in (report or {})
        return None, [] if right else [("not refused", str(report)[:300])]
    tail = ask(program, ["tail", "--json", "--from", "1", directory], 1)
    if tail is None:
        return mine, [("hang", "tail")]
    if tail.returncode not in (0, 1, 3) or b"panicked" in tail.stderr:
        wrong.append(("crash", tail.stderr.decode("utf-8", "replace")[:300]))
    theirs, ours = tail.stdout.split(b"\n")[:-1], [e.line for e in mine.entries]
    if theirs != ours:
        wrong.append(("entries", {"lines": [l for l in theirs if l not in ours], "only program": [l[:70].decode("utf-8", "replace") for l in theirs if l not in ours], "only reader": [l[:70].decode("utf-8", "replace") for l in ours if l not in theirs]}))
    if report is None or "gaps" not in report:
        return mine, wrong + [("no report", report)]
    gaps = [tuple(g[k] for k in GAP) for g in report["gaps"]]
    own = [tuple(g[k] for k in GAP) for g in mine.gaps]
    if sorted(map(str, gaps)) != sorted(map(str, own)):
        wrong.append(("gaps", {"only program": [g for g in gaps if g not in own], "only reader": [g for g in own if g not in gaps]}))
    if report["clean"] != mine.clean:
        wrong.append(("clean", {"program": report["clean"], "reader": mine.clean}))
    if report["entries"] != len(theirs):
        wrong.append(("verify and tail differ", {"verify": report["entries"], "tail": len(theirs)}))
    if with_fold and theirs == ours:
        answer = ask(program, ["fold", directory], 1)
        if answer is None:
            return mine, wrong + [("hang", "fold")]
        try:
            turns = {t["turn_id"]: len(t["tool_calls"]) for t in json.loads(answer.stdout)["turns"]}
        except ValueError:
            turns = answer.stderr.decode("utf-8", "replace")[:200]
        if turns != reader.fold(mine.entries):
            wrong.append(("fold", {"program": turns, "reader": reader.fold(mine.entries)}))
    return mine, wrong


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
    causes, kinds, done, differing = collections.Counter(), collections.Counter(), 0, 0
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
            mine, wrong = compare(program, directory, report, n % 4 == 0)
            known = cause(mine, wrong) if wrong and mine else None
            if wrong:
                causes[known or "unexplained"] += 1
            dict(wrong).get("entries", {}).pop("lines", None)
            done += 1
            differing += bool(wrong)
            for what, detail in wrong:
                kinds[what] += 1
                if log:
                    log.write(json.dumps({"case": n, "base": base, "mutations": names, "cause": known, "what": what, "detail": detail}) + "\n")
                if not known and kinds[what] <= SHOWN:
                    print("case %d (%s, %s): %s: %s" % (n, base, "+".join(names), what, detail))
            if not chosen.keep:
                shutil.rmtree(os.path.dirname(directory))
    if not chosen.keep:
        shutil.rmtree(place)
    for what, count in kinds.most_common():
        print("%6d differ in: %s" % (count, what))
    for name, count in causes.most_common():
        print("%6d %s: %s" % (count, name, KNOWN.get(name, "no known cause")))
    print("seed %d, %.0f s" % (chosen.seed, time.monotonic() - began))
    print("%d cases, %d disagreements" % (done, differing))
    return 1 if causes["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main())
