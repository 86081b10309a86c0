#!/usr/bin/env bash
# What the README's table says about foldlog, done to it: needs bash, python3 and a built foldlog.
#   usage: FOLDLOG=target/release/foldlog docs/examples/abuse.sh
# Prints a line for each abuse; ends with 1 at the first claim that does not hold.
set -euo pipefail
foldlog=${FOLDLOG:-target/release/foldlog}
"$foldlog" --version >/dev/null || { echo "no foldlog at $foldlog: run cargo build --release, or set FOLDLOG" >&2; exit 2; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
export FOLDLOG_ROOT=$root

fail() { echo "FAILED: $*" >&2; exit 1; }
check() { local what=$1; shift; "$@" || fail "$what"; }
exits() { local want=$1 got=0; shift; "$@" >"$root/.out" 2>"$root/.err" || got=$?; [ "$got" = "$want" ] || { cat "$root/.err" >&2; fail "$* ended with $got, not $want"; }; }
lines() { "$foldlog" tail "$1" --from 1 --json 2>/dev/null || [ $? = 3 ]; }
# Every line of $1 is a line of $2, byte for byte.
kept() { python3 -c 'import sys; a, b = (set(open(f, "rb")) for f in sys.argv[1:]); sys.exit(not a <= b)' "$1" "$2"; }
event() { printf '{"type":"text_delta","data":{"turn_id":"t-1","text":"%s"}}\n' "$1"; }
# A session that was killed: ten deltas, and no farewell behind them.
session() {
  { echo '{"type":"turn_started","data":{"turn_id":"t-1","prompt":"Grüße"}}'; for n in 1 2 3 4 5 6 7 8 9; do event "piece $n é"; done; } |
    "$foldlog" record "$1" 2>/dev/null
  python3 - "$root/$1/00000001.jsonl" <<'P'
import sys
lines = open(sys.argv[1], "rb").readlines()
open(sys.argv[1], "wb").writelines(lines[:-1])  # without journal_closed
P
}
# edit FILE EXPRESSION: replaces the file's bytes b.
edit() { python3 -c 'import sys; b = open(sys.argv[1], "rb").read(); open(sys.argv[1], "wb").write(eval(sys.argv[2]))' "$1" "$2"; }

cut() { # NAME EXPRESSION: the last line is cut, then two more events are recorded
  session "$1"
  lines "$1" | head -n -1 >"$root/.want"
  edit "$root/$1/00000001.jsonl" "$2"
  exits 3 "$foldlog" verify "$1"
  lines "$1" >"$root/.got"
  check "$1: reading gives every line but the cut one" cmp -s "$root/.want" "$root/.got"
  { event "new one"; event "new two"; } | "$foldlog" record "$1" 2>/dev/null
  exits 0 "$foldlog" verify "$1"
  lines "$1" >"$root/.got"
  check "$1: all old lines are still there" kept "$root/.want" "$root/.got"
  check "$1: both new events are there" test "$(grep -cE '"new (one|two)"' "$root/.got")" = 2
  check "$1: the cut bytes are kept" compgen -G "$root/$1/*.torn" >/dev/null
}

cut tail 'b[:-40]'
echo "1  last line cut in half      everything before it reads; recording goes on; nothing glued; the stub is kept"
cut multibyte 'b[:b.rindex("é".encode()) + 1]'
echo "1b cut inside a character     the same"

damage() { # NAME EXPRESSION: the fifth delta's line is damaged
  session "$1"
  lines "$1" | grep -v 'piece 5' >"$root/.want"
  edit "$root/$1/00000001.jsonl" "$2"
  exits 3 "$foldlog" verify "$1" --json
  check "$1: verify names one corrupt gap or hole" grep -qE '"kind":"(corrupt|hole)"' "$root/.out"
  lines "$1" >"$root/.got"
  check "$1: every other line reads" cmp -s "$root/.want" "$root/.got"
}

damage letter 'b.replace(b"piece 5", b"pieke 5")'
damage quote 'b.replace(b"\"piece 5", b" piece 5")'
damage byte 'b.replace(b"piece 5", b"pi\xffce 5")'
damage nuls 'b.replace(b"piece 5", b"\0" * 8)'
echo "2  letter, quote, 0xFF, NULs  found by file and byte; all other lines read"

mkfifo "$root/.pipe"
"$foldlog" record two --ack <"$root/.pipe" >"$root/.ready" 2>/dev/null &
first=$!
exec 9>"$root/.pipe"
for _ in $(seq 100); do grep -q ready "$root/.ready" && break; sleep 0.05; done
exits 5 "$foldlog" record two </dev/null
check "two writers: the second is told who holds it" grep -q "$first" "$root/.err"
event "mine" >&9
exec 9>&-
wait "$first" || fail "two writers: the first was disturbed"
exits 0 "$foldlog" verify two
echo "3  two writers                the second ends with exit code 5 and the pid of the first"

python3 - "$foldlog" <<'P' || fail "kill -9: an acknowledged event is missing"
import json, random, subprocess, sys, threading
total = 0
for round in range(20):
    recorder = subprocess.Popen([sys.argv[1], "record", "kill", "--ack"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert json.loads(recorder.stdout.readline())["ready"]
    def feed(line=0):
        try:
            while True:
                line += 1
                event = {"type": "custom", "data": {"name": f"{round}/{line}", "value": "x" * random.randrange(2000)}}
                recorder.stdin.write(json.dumps(event).encode() + b"\n")
        except (BrokenPipeError, ValueError):
            pass
    threading.Thread(target=feed, daemon=True).start()
    threading.Timer(random.uniform(0.05, 0.3), recorder.kill).start()
    replies = [json.loads(reply) for reply in recorder.stdout if reply.endswith(b"\n")]
    recorder.wait()
    safe = max((reply["line"] for reply in replies if reply.get("line")), default=0)
    total += safe
    there = subprocess.run([sys.argv[1], "tail", "kill", "--from", "1", "--json"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    names = {json.loads(line)["data"].get("name") for line in there.split(b"\n") if line}
    missing = [line for line in range(1, safe + 1) if f"{round}/{line}" not in names]
    assert not missing, f"round {round}: {len(missing)} of {safe} acknowledged events are missing"
assert total > 1000, f"only {total} events were acknowledged: that proves nothing"
print(f"4  kill -9, twenty times      {total} events were acknowledged, none of them is missing; the next run goes on by itself")
P
exits 0 "$foldlog" record kill < <(event "the last run ends as it should")
exits 0 "$foldlog" verify kill
echo "all claims hold"
