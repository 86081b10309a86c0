"""An independent reader of foldlog journals, written from docs/FORMAT.md and nothing else.

`read(directory)` gives the entries, the gaps and whether all is well. It shares no code with foldlog and needs the
standard library alone. Section numbers below are those of docs/FORMAT.md. It reads whole files: it is for small journals.

Where the page is silent, the reader does what the program was seen to do:
- a segment that is no plain file, or a directory without segments: refused; file numbers end at 2^53-1;
- a duplicate has no numbers, and neither a duplicate nor a repeated line ends a run of bad lines;
- bad lines that touch a missing end are one `lost` gap with it;
- bad bytes at the end of a segment that no seal ends, with something behind, have no numbers: the numbers are of what follows;
- behind a bad header, the next header's `epoch` shows whether the same opening wrote both;
- a missing segment is no gap if no number is missing; `journal` may be any string; unknown header members hold any number.
"""
import datetime
import json
import os
import re
import stat
import zlib

MAX_NUMBER = 2**53 - 1
MAX_LINE = 64 << 20
NEVER_CREATED = 8 << 20
SEAL_REACH = 64
MARK = b'{"seq":'
NUMBER = rb"(0|[1-9][0-9]{0,15})"
TIME = rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)"
START = re.compile(rb'\{"seq":' + NUMBER + rb',"synced":' + NUMBER + rb',"time":"' + TIME + rb'","type":"([A-Za-z0-9_.:/-]{1,64})"')
SUFFIX = re.compile(rb',"crc":"[0-9a-f]{8}"\}\Z')


class Refused(Exception):
    """The directory is no session, or a segment is no plain file."""


class Bad(ValueError):
    pass


def _constant(name):
    raise ValueError(name)


DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_constant)
NUMBERS = json.JSONDecoder(parse_float=lambda text: Bad, parse_constant=_constant)


def verifies(line):
    """Section 2: the checksum of a line without its LF."""
    return len(line) >= 18 and line[-18:] == b',"crc":"%08x"}' % zlib.crc32(line[:-18])


def is_time(text):
    try:
        datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
        return len(text) == 27
    except ValueError:
        return False


class Entry:
    __slots__ = ("seq", "synced", "type", "data", "line", "offset")


def entry(line):
    """The entry of a line without its LF, or None."""
    start = START.match(line)
    if not start or len(line) >= MAX_LINE or not verifies(line) or line.find(MARK, 1) >= 0 or b"\0" in line or b"\r" in line:
        return None
    found = Entry()
    found.seq, found.synced = int(start[1]), int(start[2])
    if not 1 <= found.seq <= MAX_NUMBER or found.synced > MAX_NUMBER or not is_time(start[3].decode()):
        return None
    found.type, found.line = start[4].decode(), line
    try:
        text = line[start.end():-18].decode("utf-8")
        at = 0
        while True:
            if text[at:at + 2] != ',"':
                return None
            name, at = DECODER.raw_decode(text, at + 1)
            if text[at:at + 1] != ":":
                return None
            value, end = DECODER.raw_decode(text, at + 1)
            if name == "data":
                found.data = value
                return found if isinstance(value, dict) and end == len(text) else None
            if re.search(r"\s", re.sub(r'"(?:\\.|[^"\\])*"', "", text[at + 1:end])):
                return None
            if name == "id" and not (isinstance(value, str) and len(value.encode("utf-8", "replace")) <= 128):
                return None
            if name == "observed" and not (isinstance(value, str) and is_time(value)):
                return None
            at = end
    except (ValueError, RecursionError):
        return None


def deviates(line):
    """Whether the line has the right form and checksum up to `data`, and a `data` that is no entry's."""
    return bool(START.match(line)) and verifies(line) and b',"data":' in line and entry(line) is None


def _check_numbers(value):
    if value is Bad:
        raise Bad("a fraction")
    if isinstance(value, bool):
        return
    if isinstance(value, int) and not 0 <= value <= MAX_NUMBER:
        raise Bad("a number beyond the limit")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_numbers(inner)


KNOWN_MEMBERS = ("foldlog", "segment", "epoch", "first_seq", "pid", "prev", "turns", "errors", "open", "spent", "fork", "compacted")


def header(line):
    """The header of a first line without its LF, or None if it is bad (section 3)."""
    if not line.startswith(b'{"foldlog":') or not verifies(line) or len(line) >= MAX_LINE:
        return None
    try:
        text = line.decode("utf-8")
        found = NUMBERS.decode(text)
        _check_numbers({name: value for name, value in found.items() if name in KNOWN_MEMBERS})
        for name in ("foldlog", "segment", "epoch", "first_seq", "pid"):
            if type(found[name]) is not int:
                return None
        for name in ("journal", "session_id", "created", "writer", "host"):
            if type(found[name]) is not str:
                return None
        prev, compacted = found["prev"], found.get("compacted")
        if not found["session_id"] or found["epoch"] > found["segment"]:
            return None
        if prev is not None and not (prev["segment"] < found["segment"] and prev["last_seq"] < found["first_seq"] and prev["bytes"] >= 0):
            return None
        if compacted is not None:
            if compacted["through"] < found["segment"]:
                return None
            if compacted["entries"] and compacted["last_seq"] < found["first_seq"]:
                return None
            compacted["last_bytes"]
        return found
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


class Segment:
    def __init__(self, number, raw):
        self.number, self.raw, self.size = number, raw, len(raw)
        lf = raw.find(b"\n")
        self.header = header(raw[:lf]) if lf >= 0 else None
        self.start = lf + 1 if self.header else 0
        self.foreign = False
        self.entries = []
        if self.header and self.header.get("prefilled") is True:
            self._strip()

    def _strip(self):
        """LFs behind the last line of a prefilled segment are no part of it."""
        body = self.raw.rstrip(b"\n")
        lfs = len(self.raw) - len(body)
        if lfs == 1 or (lfs and SUFFIX.search(body[-18:])):
            body += b"\n"
        self.raw, self.size = body, len(body)

    @property
    def epoch(self):
        return self.header.get("epoch_id") or "epoch-%d" % self.header["epoch"]

    @property
    def through(self):
        compacted = self.header and self.header.get("compacted")
        return compacted["through"] if compacted else self.number


def session_of(name):
    return re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), name.encode()).decode("utf-8", "replace")


def segments_of(directory):
    found = []
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if re.fullmatch(r"[0-9]{8,}\.jsonl", name):
            number = int(name[:-6])
            if 1 <= number <= MAX_NUMBER and name == "%08d.jsonl" % number:
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    raise Refused("no plain file")
                with open(path, "rb") as file:
                    found.append(Segment(number, file.read()))
    if not found:
        raise Refused("no session")
    return sorted(found, key=lambda segment: segment.number)


def our_journal(files, session):
    """Section 3, "Which journal is ours"."""
    good = [s for s in files if s.header and s.header["segment"] == s.number]
    eligible = [s for s in good if s.header["session_id"] == session] or good
    if not eligible:
        return None
    if eligible[0].header["journal"] == eligible[-1].header["journal"]:
        return eligible[0].header["journal"]
    counts, lowest = {}, {}
    for segment in eligible:
        later = [s.number for s in files if s.number > segment.number]
        through = min([segment.through] + [later[0] - 1] if later else [segment.through])
        journal = segment.header["journal"]
        counts[journal] = counts.get(journal, 0) + through - segment.number + 1
        lowest.setdefault(journal, segment.number)
    return max(counts, key=lambda journal: (counts[journal], -lowest[journal]))


def gap(segment, offset, size, kind, first, last, acknowledged):
    if first is None or last is None or first > last:
        first = last = None
    return {"segment": segment, "offset": offset, "bytes": size, "kind": kind, "first_seq": first, "last_seq": last,
            "acknowledged": acknowledged, "explained": False}


def never_created(segment, later):
    if segment.size > NEVER_CREATED or segment.header or b"\n" in segment.raw[:-1] or entry(segment.raw.rstrip(b"\n")):
        return False
    return not any(s.header and s.header["prev"] and s.header["prev"]["segment"] >= segment.number for s in later)


class Reader:
    def __init__(self, directory):
        files = segments_of(directory)
        self.repeated = []  # lines that an earlier segment has with equal bytes: dropped in silence
        self.gaps, self.delivered, self.last, self.synced = [], {}, 0, 0
        self.entries = []
        ours = our_journal(files, session_of(os.path.basename(os.path.abspath(directory))))
        for s in files:
            s.foreign = bool(s.header) and (s.header["segment"] != s.number or s.header["journal"] != ours)
        self.files, replaced = [], 0
        for s in files:
            if s.number <= replaced:
                continue
            if not s.foreign:
                replaced = max(replaced, s.through)
            self.files.append(s)
        self.live = [s for s in self.files if not s.foreign]
        self.live = [s for i, s in enumerate(self.live) if not never_created(s, self.live[i + 1:])]
        for s in self.files:
            if s.foreign:
                self.gaps.append(gap(s.number, 0, s.size, "foreign", None, None, None))
        for index, s in enumerate(self.live):
            self._segment(index, s)
        self._explain()
        self.gaps.sort(key=lambda g: (g["segment"], g["offset"]))
        self.clean = all(g["explained"] for g in self.gaps)

    def _next(self, s):
        behind = [other for other in self.files if other.number > s.number][:SEAL_REACH]
        return next((o for o in behind if o.header and not o.foreign), None)

    def _lines(self, s, offset, end):
        """(offset, end, entry or None, whole) of each line."""
        while offset < end:
            lf = s.raw.find(b"\n", offset, end)
            stop = end if lf < 0 else lf + 1
            yield offset, stop, entry(s.raw[offset:lf]) if lf >= 0 else None, lf >= 0
            offset = stop

    def _segment(self, index, s):
        following = self._next(s)
        prev = following.header["prev"] if following else None
        compacted = s.header and s.header.get("compacted")
        self._lost_before(index, s)
        end, top, sealed = s.size, MAX_NUMBER, None
        if prev and prev["segment"] >= s.number:
            top = prev["last_seq"]
        if compacted:
            top = min(top, compacted["last_seq"])
        if prev and s.number <= prev["segment"] <= s.through:
            sealed = prev
            if not compacted:
                end = self._end(s, prev)
        durable_epoch = bool(compacted) or bool(following and (following.epoch == s.epoch if s.header else following.header["epoch"] <= s.number))
        lines = list(self._lines(s, s.start, end))
        lines = [(o, e, f if f and f.seq <= top else None, w) for o, e, f, w in lines]
        synced = max([f.synced for _, _, f, _ in lines if f] or [0])
        known = len(self.gaps)
        self._run(s, lines, top, sealed, end, lambda first: durable_epoch or synced >= first, compacted)
        if end < s.size:
            self.gaps.append(gap(s.number, end, s.size - end, "behind_seal", None, None, None))
        told = compacted and any((g["last_seq"] or 0) >= compacted["last_seq"] or g["offset"] + g["bytes"] == end > g["offset"] for g in self.gaps[known:])
        if compacted and len(s.entries) < compacted["entries"] and not told:
            self.gaps.append(gap(s.number, end, 0, "missing", self.last + 1, compacted["last_seq"], True))
        for sure in (compacted, sealed):
            if sure:
                self.last = max(self.last, min(sure["last_seq"], top))

    def _end(self, s, prev):
        end = min(prev["bytes"], s.size)
        inside = [f.seq for _, _, f, _ in self._lines(s, s.start, end) if f and f.seq <= prev["last_seq"]]
        if prev["last_seq"] in inside:
            return end
        last = max([self.last] + inside)
        for _, stop, found, _ in [line for line in self._lines(s, s.start, s.size) if line[1] > end]:
            if found and last < found.seq <= prev["last_seq"]:
                end, last = stop, found.seq
        return end

    def _lost_before(self, index, s):
        """A segment that the header's `prev` names and that is not there."""
        prev = s.header and s.header["prev"]
        before = max([o.through for o in self.live[:index]] or [0])
        if prev and before < prev["segment"] and self.last < prev["last_seq"]:
            self.gaps.append(gap(prev["segment"], 0, prev["bytes"], "lost", self.last + 1, prev["last_seq"], True))
            self.last = max(self.last, prev["last_seq"])

    def _deliver(self, s, found, offset):
        found.offset = offset
        self.entries.append(found)
        s.entries.append(found)
        self.delivered[found.seq] = found.line
        self.last, self.synced = found.seq, max(self.synced, found.synced)

    def _run(self, s, lines, top, sealed, end, durable, compacted):
        bad, self.top = [], top
        for offset, stop, found, whole in lines:
            if found and found.seq <= self.last:
                if self.delivered.get(found.seq) != found.line:
                    self.gaps.append(gap(s.number, offset, stop - offset, "duplicate", None, None, None))
                elif found.line not in (e.line for e in s.entries):
                    self.repeated.append((s.number, offset))
                continue
            if not found:
                bad.append((offset, stop, whole))
                continue
            if bad:
                self._flush(s, bad, found.seq, durable)
            elif found.seq > self.last + 1 and not compacted:
                first = self.last + 1
                self.gaps.append(gap(s.number, offset, 0, "missing", first, found.seq - 1, True if durable(first) else None))
            self._deliver(s, found, offset)
        if sealed and s.size < sealed["bytes"] and not compacted:
            begin = self._flush(s, bad, sealed["last_seq"] + 1, durable, lost=True)
            begin = s.size if begin is None else begin
            self.gaps.append(gap(s.number, begin, sealed["bytes"] - begin, "lost", self.last + 1, sealed["last_seq"], True))
        elif bad:
            sure = sealed or compacted
            self._flush(s, bad, sure["last_seq"] + 1 if sure else None, durable, last=s is self.files[-1])
        elif sealed and self.last < sealed["last_seq"] and not compacted:
            first = self.last + 1
            self.gaps.append(gap(s.number, end, 0, "missing", first, sealed["last_seq"], True if durable(first) else None))

    def _flush(self, s, bad, behind, durable, last=False, lost=False):
        """Salvages what touching bad lines hold; the rest are gaps up to the number `behind`."""
        if not bad:
            return
        begin, limit = bad[0][0], min(behind or MAX_NUMBER + 1, self.top + 1)
        for offset, stop, whole in bad:
            if not whole:
                continue
            line = s.raw[offset:stop - 1]
            cuts = [m.start() for m in re.finditer(re.escape(MARK), line)]
            for at, upto in zip(cuts, cuts[1:] + [len(line)]):
                piece = line[at:upto].rstrip(b"\0")
                found = entry(piece)
                if found and self.last < found.seq < limit:
                    if offset + at > begin:
                        self._gap(s, begin, offset + at, found.seq, durable, False)
                    self._deliver(s, found, offset + at)
                    begin = offset + at + len(piece) + (1 if upto == len(line) and len(piece) == upto - at else 0)
        end = bad[-1][1]
        if lost:
            return begin
        if begin < end:
            self._gap(s, begin, end, behind, durable, last)
        bad.clear()

    def _gap(self, s, begin, end, behind, durable, last):
        first, final = self.last + 1, behind - 1 if behind else None
        if final is None or first > final:
            kind, acknowledged = ("torn" if last else "foreign"), None
        elif durable(first):
            kind, acknowledged = "corrupt", True
        else:
            kind, acknowledged = "hole", None
        self.gaps.append(gap(s.number, begin, end - begin, kind, first, final, acknowledged))

    def _explain(self):
        with_entries = [s for s in self.live if s.entries]
        for found in self.gaps:
            first, last = found["first_seq"], found["last_seq"]
            after = next((e for e in self.entries if last and e.seq > last), None)
            if after and after.type == "events_lost" and first >= int(after.data.get("first_seq", 1)) and last <= int(after.data.get("last_seq", 0)):
                found["explained"] = True
            near = [s for s in with_entries if s.number >= found["segment"]][:2]
            for s in near:
                report = s.entries[0]
                if report.type != "journal_recovered":
                    continue
                self._explained_by(found, report.data)

    @staticmethod
    def _explained_by(found, data):
        try:
            holes = [(int(h["first_seq"]), int(h["last_seq"])) for h in data.get("holes", [])]
            cuts = [(int(c["segment"]), int(c["offset"]), int(c["bytes"])) for c in data.get("cuts", [])]
        except (KeyError, TypeError, ValueError):
            return
        first, last = found["first_seq"], found["last_seq"]
        if first and any(a <= first and last <= b for a, b in holes):
            found["explained"] = True
            for number, offset, size in cuts:
                if found["kind"] == "missing" and size:
                    found.update(segment=number, offset=offset, bytes=size, kind="torn", acknowledged=None)
        if found["bytes"] and any(n == found["segment"] and o <= found["offset"] and found["offset"] + found["bytes"] <= o + z for n, o, z in cuts):
            found["explained"] = True


def read(directory):
    return Reader(directory)


def fold(entries):
    """The turns (id: number of tool calls) that are in the record; enough for the entry types that `mutations.py` records."""
    turns = {}
    for e in entries:
        turn = e.data.get("turn_id")
        if not isinstance(turn, str):
            continue
        if e.type in ("turn_started", "turn_ended", "text_delta"):
            turns.setdefault(turn, set())
        elif e.type in ("tool_call_started", "tool_call_output", "tool_call_ended"):
            turns.setdefault(turn, set()).add(e.data.get("call_id"))
    return {turn: len(calls) for turn, calls in turns.items()}
