"""The lines and headers of a segment, from their bytes alone (docs/FORMAT.md, sections 2 and 3)."""
import datetime
import json
import re
import zlib

MAX_NUMBER = 2**53 - 1
MAX_LINE = 64 << 20
MAX_HEADER = 8 << 20
MARK = b'{"seq":'
NUMBER = rb"(0|[1-9][0-9]{0,15})"
TIME = rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)"
START = re.compile(rb'\{"seq":' + NUMBER + rb',"synced":' + NUMBER + rb',"time":"' + TIME + rb'","type":"([A-Za-z0-9_.:/-]{1,64})"')
MEMBER = re.compile(r',"([^"]*)":')
SUFFIX = re.compile(rb',"crc":"[0-9a-f]{8}"\}\Z')


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


def is_rfc3339(text):
    """Section 3, `created`: any offset, any fraction, a leap second."""
    form = re.fullmatch(r"([0-9-]{10}[Tt ][0-9]{2}:[0-9]{2}:)([0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})", text)
    if not form:
        return False
    seconds = "59" if form[2] == "60" else form[2]
    return is_time(form[1].upper().replace(" ", "T") + seconds + ".000000Z")


class Entry:
    __slots__ = ("seq", "synced", "type", "line", "text", "value")

    @property
    def data(self):
        """The object that `data` is; {} if it is no JSON (section 6)."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def is_json(self):
        return self.value is not None


def entry(line):
    """The entry of a line without its LF, or None (section 2)."""
    start = START.match(line)
    if not start or len(line) >= MAX_LINE or not verifies(line):
        return None
    found = Entry()
    found.seq, found.synced = int(start[1]), int(start[2])
    if not 1 <= found.seq <= MAX_NUMBER or found.synced > MAX_NUMBER or not is_time(start[3].decode()):
        return None
    found.type, found.line = start[4].decode(), line
    try:
        text = line[start.end():-18].decode("utf-8")
        at = 0
        while not text.startswith(',"data":', at):
            name = MEMBER.match(text, at)
            if not name or text[name.end():name.end() + 1].isspace():
                return None
            value, at = DECODER.raw_decode(text, name.end())
            if name[1] == "id" and not (isinstance(value, str) and len(value.encode("utf-8", "replace")) <= 128):
                return None
            raw = text[name.end() + 1:at - 1]
            if name[1] == "observed" and not (isinstance(value, str) and is_time(raw)):
                return None
    except (ValueError, RecursionError):
        return None
    found.text = text[at + len(',"data":'):]
    if not (found.text.startswith("{") and found.text.endswith("}")):
        return None
    try:
        found.value = DECODER.decode(found.text)
    except (ValueError, RecursionError):
        found.value = None
    return found


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
        if not is_rfc3339(found["created"]):
            return None
        prev, compacted = found["prev"], found.get("compacted")
        if not found["session_id"] or found["epoch"] > found["segment"]:
            return None
        if prev is not None and not (1 <= prev["segment"] < found["segment"] and prev["last_seq"] < found["first_seq"] and prev["bytes"] >= 0):
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
    """A file that is a segment by its name. `raw` is None for what is never opened."""

    def __init__(self, number, raw, newer=False):
        self.number, self.raw, self.newer = number, raw or b"", newer
        self.foreign, self.file_size = raw is None, len(self.raw)
        lf = self.raw.find(b"\n", 0, MAX_HEADER)
        self.header = header(self.raw[:lf]) if lf >= 0 else None
        if self.header and self.header.get("prefilled") is True:
            self._strip()
        self.size, self.entries = len(self.raw), []
        self.start = lf + 1 if self.header else self._bad_header_end(lf)
        line = next(lines_of(self.raw, self.start, self.size), None)
        self.first = line[2] if line else None

    def _strip(self):
        """LFs behind the last line of a prefilled segment are no part of it."""
        body = self.raw.rstrip(b"\n")
        lfs = len(self.raw) - len(body)
        if lfs == 1 or (lfs and SUFFIX.search(body[-18:])):
            body += b"\n"
        self.raw = body

    def _bad_header_end(self, lf):
        """Section 3, "A bad header"."""
        mark = self.raw.find(MARK, 0, lf if lf >= 0 else MAX_HEADER)
        if mark >= 0:
            return mark
        return lf + 1 if lf >= 0 else self.size if self.size <= MAX_HEADER else 0

    @property
    def compacted(self):
        return self.header and self.header.get("compacted")

    @property
    def epoch(self):
        return self.header.get("epoch_id") or "epoch-%d" % self.header["epoch"]

    @property
    def last_epoch(self):
        epochs = (self.compacted or {}).get("epochs") or [{"epoch_id": self.epoch}]
        return epochs[-1]["epoch_id"]

    @property
    def through(self):
        return self.compacted["through"] if self.compacted else self.number

    @property
    def report(self):
        """The report of a recovery, if the first line behind the header is one: (after, holes, cuts)."""
        if self.foreign or not self.first or self.first.type != "journal_recovered":
            return None
        data = self.first.data
        try:
            holes = [(int(h["first_seq"]), int(h["last_seq"])) for h in data.get("holes", [])]
            cuts = [(int(c["segment"]), int(c["offset"]), int(c["bytes"])) for c in data.get("cuts", [])]
            return int(data.get("after", 0)), holes, cuts
        except (KeyError, TypeError, ValueError):
            return None


def lines_of(raw, offset, end):
    """(offset, end, entry or None, whether it has its LF) of each line."""
    while offset < end:
        lf = raw.find(b"\n", offset, end)
        stop = end if lf < 0 else lf + 1
        yield offset, stop, entry(raw[offset:lf]) if lf >= 0 else None, lf >= 0
        offset = stop


def pieces(raw, offset, stop):
    """(place, entry or None) of each piece of a bad line with its LF (section 5, "Salvage")."""
    line = raw[offset:stop - 1]
    cuts = [m.start() for m in re.finditer(re.escape(MARK), line)]
    for at, upto in zip(cuts, cuts[1:] + [len(line)]):
        yield offset + at, entry(line[at:upto].rstrip(b"\0"))
