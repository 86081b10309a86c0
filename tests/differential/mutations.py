"""Base journals, made by the program itself, and structured mutations of them: each is a function of a seeded `Random`
and a directory. `BASES` and `MUTATIONS` are the whole list; `run.py` draws from both."""
import json
import os
import random
import re
import select
import subprocess
import time
import zlib

LIMITS = [0, 1, 2, 3, 2**31, 2**53 - 2, 2**53 - 1, 2**53, 2**63, 2**64]
BASE_SECONDS = 20
NOT_DATA = [
    b"{", b"{}x", b"[]", b"1", b'{"a":NaN}', b'{"a":1e999}',
    b'{"a":}', b'{"a":1,}', b"{} ", b'{"seq":1}', b'{"a":"\\ud800"}', b'{"a":"\t"}', b'{"a":"\xff"}', b'{"a":01}',
]  # what stands for `data`, most of it no object


def events(start, count):
    for n in range(start, start + count):
        turn, call = "t-%d" % n, "c-%d" % n
        yield {"type": "turn_started", "data": {"turn_id": turn, "prompt": "Wie \u00e9"}}
        yield {"type": "tool_call_started", "data": {"turn_id": turn, "call_id": call, "tool_name": "bash", "arguments": {"seq": n}}}
        yield {"type": "tool_call_output", "data": {"turn_id": turn, "call_id": call, "text": "out %d" % n}}
        yield {"type": "tool_call_ended", "data": {"turn_id": turn, "call_id": call, "result": "out %d" % n}}
        yield {"type": "turn_ended", "data": {"turn_id": turn, "status": "success"}}


def record(program, root, start, count, *options, kill=False):
    """One opening for writing; with `kill`, the process is killed once some lines are acknowledged."""
    text = b"".join(json.dumps(e).encode() + b"\n" for e in events(start, count))
    command = [program, "record", "--root", root, "s-1", "--ack", *options]
    if not kill:
        subprocess.run(command, input=text, check=True, capture_output=True, timeout=BASE_SECONDS)
        return
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdin.write(text)
    process.stdin.flush()
    seen, until = b"", time.monotonic() + BASE_SECONDS
    while seen.count(b"\n") < 2 and time.monotonic() < until:
        if select.select([process.stdout], [], [], 0.2)[0]:
            seen += os.read(process.stdout.fileno(), 65536)
    time.sleep(0.05)
    process.kill()
    process.wait()


def tear(root, count):
    """Cuts the newest segment of a killed writer within its last line."""
    directory = os.path.join(root, "s-1")
    path = os.path.join(directory, segments(directory)[-1])
    raw = get(path).rstrip(b"\n")
    put(path, raw[:-count])


def make_bases(program, root):
    """Makes the base journals below `root`; gives {name: session directory}."""
    def steps(name, *actions):
        place = os.path.join(root, name)
        os.makedirs(place)
        for action in actions:
            action(place)
        return os.path.join(place, "s-1")

    def rec(start, count, *options, kill=False):
        return lambda place: record(program, place, start, count, *options, kill=kill)

    def compact(place):
        subprocess.run([program, "compact", "--root", place, "s-1"], check=True, capture_output=True, timeout=BASE_SECONDS)

    small = ("--segment-bytes", "1200")
    return {
        "closed": steps("closed", rec(1, 2)),
        "segments": steps("segments", rec(1, 4, *small)),
        "openings": steps("openings", rec(1, 1), rec(2, 1), rec(3, 2, *small)),
        "killed": steps("killed", rec(1, 2, *small, kill=True)),
        "recovered": steps("recovered", rec(1, 1, kill=True), lambda p: tear(p, 40), rec(2, 2, *small)),
        "torn": steps("torn", rec(1, 1), rec(2, 1, kill=True), lambda p: tear(p, 25)),
        "prefilled": steps("prefilled", rec(1, 1, "--prefill", "2000", kill=True)),
        "prefilled-more": steps("prefilled-more", rec(1, 2, "--prefill", "900", *small, kill=True), rec(3, 1, "--prefill", "500")),
        "compacted": steps("compacted", rec(1, 4, *small), compact),
        "compacted-more": steps("compacted-more", rec(1, 2, *small), compact, rec(3, 2, *small)),
        "merged": steps("merged", rec(1, 1), rec(2, 1), rec(3, 1), compact, rec(4, 1)),
    }


def segments(directory):
    return sorted(n for n in os.listdir(directory) if re.fullmatch(r"[0-9]{8,}\.jsonl", n) and not os.path.islink(os.path.join(directory, n)) and os.path.isfile(os.path.join(directory, n)))


def get(path):
    with open(path, "rb") as file:
        return file.read()


def put(path, raw):
    if os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path)):
        return  # what is no plain file stays
    with open(path, "wb") as file:
        file.write(raw)


def sign(body):
    return body + b',"crc":"%08x"}' % zlib.crc32(body)


class Case:
    """A directory under mutation, the dice, and the other base journals to take foreign parts from."""

    def __init__(self, directory, dice, bases):
        self.directory, self.dice, self.bases = directory, dice, bases

    def path(self, name):
        return os.path.join(self.directory, name)

    def any(self):
        return self.path(self.dice.choice(segments(self.directory)))

    def lines(self, path):
        return get(path).splitlines(keepends=True)

    def number(self):
        return self.dice.choice(LIMITS + [4, 5, 7, 11, 12, 20])

    def other(self):
        directory = self.dice.choice(list(self.bases.values()))
        return os.path.join(directory, self.dice.choice(segments(directory)))


def flip(c):
    path = c.any()
    raw = bytearray(get(path))
    if raw:
        raw[c.dice.randrange(len(raw))] ^= 1 << c.dice.randrange(8)
    put(path, raw)


def truncate(c):
    path = c.any()
    raw = get(path)
    put(path, raw[:c.dice.randrange(len(raw) + 1)])


def remove(c):
    os.remove(c.any())


def rename(c):
    number = c.dice.choice([1, 2, 3, 5, 9, 70, 99999999, 100000000, 2**32, 2**53 - 1, 2**53])
    target = c.path("%08d.jsonl" % number)
    if not os.path.isdir(target):
        os.replace(c.any(), target)


def duplicate(c):
    put(c.path("%08d.jsonl" % c.dice.randrange(1, 12)), get(c.any()))


def swap(c):
    a, b = c.any(), c.any()
    first, second = get(a), get(b)
    put(a, second)
    put(b, first)


def foreign(c):
    put(c.path("%08d.jsonl" % c.dice.randrange(1, 12)), get(c.other()))


def line_edit(c):
    """Removes, repeats, swaps or moves whole lines."""
    path = c.any()
    lines = c.lines(path)
    if not lines:
        return
    i, j = c.dice.randrange(len(lines)), c.dice.randrange(len(lines))
    kind = c.dice.randrange(4)
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(j, lines[i])
    elif kind == 2:
        lines[i], lines[j] = lines[j], lines[i]
    else:
        lines.insert(j, c.dice.choice(c.lines(c.other()) or [b""]))
    put(path, b"".join(lines))


def splice(c):
    """The beginning of one segment, the end of another."""
    path = c.any()
    a, b = get(path), get(c.any() if c.dice.random() < 0.6 else c.other())
    put(path, a[:c.dice.randrange(len(a) + 1)] + b[c.dice.randrange(len(b) + 1):])


def edit_header(c):
    """Changes one number or member of a header, under a right checksum."""
    path = c.any()
    lines = c.lines(path)
    try:
        found = json.loads(lines[0])
        del found["crc"]
    except (ValueError, KeyError, IndexError):
        return
    name = c.dice.choice(["foldlog", "segment", "epoch", "first_seq", "prev", "prev.segment", "prev.last_seq", "prev.bytes", "compacted", "needs",
                          "epoch_id", "session_id", "journal", "prefilled", "drop", "extra", "turns"])
    if name.startswith("prev.") and found.get("prev"):
        found["prev"][name[5:]] = c.dice.choice([c.number(), max(0, found["prev"][name[5:]] + c.dice.choice([-1, 1, 100]))])
    elif name == "prev":
        found["prev"] = c.dice.choice([None, {"segment": 1, "last_seq": c.number(), "bytes": c.number()}])
    elif name == "compacted":
        n = found.get("segment", 1)
        found["compacted"] = {"through": c.dice.choice([n, n + 1, n + 3, c.number()]), "last_seq": c.number(), "last_bytes": c.number(), "entries": c.dice.randrange(9)}
    elif name == "needs":
        found["needs"] = c.dice.choice([[], ["x"]])
    elif name == "epoch_id":
        found.pop("epoch_id", None)
    elif name == "session_id":
        found["session_id"] = c.dice.choice(["", "s-2"])
    elif name == "journal":
        found["journal"] = c.dice.choice(["0" * 32, "X" * 32, ""])
    elif name == "prefilled":
        found["prefilled"] = True
    elif name == "drop":
        found.pop(c.dice.choice(list(found)), None)
    elif name == "extra":
        found["later"] = {"a": [c.number()]}
    elif name in found:
        found[name] = c.number()
    if list(found)[:1] != ["foldlog"]:
        return
    lines[0] = sign(json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()[:-1]) + b"\n"
    put(path, b"".join(lines))


def edit_entry(c):
    """Changes an entry, under a right checksum."""
    path = c.any()
    lines = c.lines(path)
    places = [i for i, l in enumerate(lines) if l.startswith(b'{"seq":')]
    if not places:
        return
    i = c.dice.choice(places)
    body = lines[i].rstrip(b"\n")[:-18]
    number = b"%d" % c.number()
    edits = [
        lambda b: re.sub(rb'"seq":\d+', b'"seq":' + number, b, count=1),
        lambda b: re.sub(rb'"synced":\d+', b'"synced":' + number, b, count=1),
        lambda b: b.replace(b'"seq":', b'"seq":0', 1),
        lambda b: b[:b.find(b'"data":') + 7] + c.dice.choice(NOT_DATA),
        lambda b: b.replace(b',"data":', c.dice.choice([b',"later":{"a":[1]},"data":', b',"later": 1,"data":', b',"id":"' + b"x" * 129 + b'","data":', b',"id":"x","data":', b', "data":', b',"observed":"2026","data":']), 1),
        lambda b: re.sub(rb'"type":"[^"]*"', b'"type":"' + c.dice.choice([b"", b"a b", b"x" * 64, b"x" * 65, b"later.kind", b"journal_later"]) + b'"', b, count=1),
        lambda b: re.sub(rb'"time":"[^"]*"', b'"time":"' + c.dice.choice([b"2026-13-01T00:00:00.000000Z", b"2026-01-01T00:00:00Z", b"2020-01-01T00:00:00.000000Z", b"2026-02-30T00:00:00.000000Z"]) + b'"', b, count=1),
    ]
    lines[i] = sign(c.dice.choice(edits)(body)) + c.dice.choice([b"\n"] * 8 + [b"\r\n", b""])
    put(path, b"".join(lines))


def garbage(c):
    path = c.any()
    raw = get(path)
    at = c.dice.choice([0, len(raw), c.dice.randrange(len(raw) + 1)])
    put(path, raw[:at] + c.dice.choice([b"\n", b"\n\n\n", b"\0" * 50, b"x", b'{"seq":', b"garbage\n", bytes(c.dice.randrange(256) for _ in range(40))]) + raw[at:])


def stale(c):
    """Files that are no segments, names that are reserved, and files that were never created."""
    name = c.dice.choice(["00000001.jsonl.tmp", "1.jsonl", "00000000.jsonl", "00000009.jsonl", "000000001.jsonl", "00000004.seal", "00000001.669.torn", "00000008.jsonl.zst", "x.jsonl", "blobs", "00000007.jsonl"])
    put(c.path(name), c.dice.choice([b"", b"\n", b"x", b"\0" * 64, b'{"foldlog":1', get(c.other())]))


def not_plain(c):
    path = c.path("%08d.jsonl" % c.dice.randrange(1, 10))
    if os.path.lexists(path):
        if os.path.isdir(path):
            return
        os.remove(path)
    kind = c.dice.randrange(3)
    if kind == 0:
        os.symlink(c.other(), path)
    elif kind == 1:
        os.mkdir(path)
    else:
        os.mkfifo(path)


MUTATIONS = [flip, truncate, remove, rename, duplicate, swap, foreign, line_edit, splice, edit_header, edit_header, edit_entry, edit_entry, garbage, stale, not_plain]


def mutate(directory, seed, bases):
    """Applies one to three mutations; gives their names."""
    dice = random.Random(seed)
    names = []
    for _ in range(dice.choice([1, 1, 1, 2, 2, 3])):
        if not segments(directory):
            break
        mutation = dice.choice(MUTATIONS)
        mutation(Case(directory, dice, bases))
        names.append(mutation.__name__)
    return names
