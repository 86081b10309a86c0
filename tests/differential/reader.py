"""An independent reader of foldlog journals, written from docs/FORMAT.md: where that does not tell what to do, it is wrong.

`read(directory)` gives the entries, the gaps and whether all is well. It shares no code with foldlog and needs the
standard library alone. Section numbers below are those of docs/FORMAT.md. It reads whole files: it is for small journals.
"""
import os
import re
import stat

from lines import MAX_HEADER, MAX_NUMBER, Segment, lines_of, pieces

SEAL_REACH = 64


class Refused(Exception):
    """The directory holds no segment."""


def session_of(name):
    return re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), name.encode()).decode("utf-8", "replace")


def segments_of(directory):
    """All files that are segments by their names, in order."""
    found = {}
    for name in sorted(os.listdir(directory)):  # `n.jsonl` comes before `n.jsonl.zst`
        match = re.fullmatch(r"([0-9]{8,})\.jsonl(\.zst)?", name)
        number = int(match[1]) if match else 0
        if not 1 <= number <= MAX_NUMBER or not name.startswith("%08d." % number) or number in found:
            continue
        path = os.path.join(directory, name)
        raw = None
        if not match[2] and stat.S_ISREG(os.lstat(path).st_mode):
            with open(path, "rb") as file:
                raw = file.read()
        found[number] = Segment(number, raw, bool(match[2]))
    if not found:
        raise Refused("no session")
    return [found[number] for number in sorted(found)]


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


def is_replaced(s, by):
    """Section 6: whether the compacted segment `by` holds what this file holds."""
    if s.file_size == 0 and not s.foreign:
        return True
    if s.foreign or not s.header:
        return False
    epochs = [by.epoch] + [e["epoch_id"] for e in by.compacted.get("epochs", [])]
    good = [f.seq for _, _, f, _ in lines_of(s.raw, s.start, s.size) if f]
    return s.epoch in epochs and (not good or good[-1] <= by.compacted["last_seq"])


def gap(segment, offset, size, kind, first=None, last=None, acknowledged=None):
    if first is None or last is None or first > last:
        first = last = None
    return {"segment": segment, "offset": offset, "bytes": size, "kind": kind, "first_seq": first, "last_seq": last,
            "acknowledged": acknowledged, "explained": kind == "unsupported"}


class Reader:
    def __init__(self, directory):
        files = segments_of(directory)
        ours = our_journal(files, session_of(os.path.basename(os.path.abspath(directory))))
        for s in files:
            s.foreign |= bool(s.header) and (s.header["segment"] != s.number or s.header["journal"] != ours)
        self.files, by = [], None
        for s in files:
            if by and s.number <= by.through:
                if is_replaced(s, by):
                    continue
                s.foreign = True
            elif s.compacted and not s.foreign:
                by = s
            self.files.append(s)
        self.gaps, self.entries = [], []
        self.last = 0  # the last number delivered
        self.named = 0  # up to this one all numbers were delivered or are in a gap
        self.before = 0  # the number (or `through`) of the last segment of ours
        for place, s in enumerate(self.files):
            behind = self.files[place + 1:place + 1 + SEAL_REACH]
            One(self, s, behind).read()
        self.gaps.sort(key=lambda g: (g["segment"], g["offset"]))
        self.clean = all(g["explained"] for g in self.gaps)


class One:
    """Reads one file."""

    def __init__(self, journal, s, behind):
        self.journal, self.s, self.behind = journal, s, behind
        following = next((o for o in behind if o.header and not o.foreign), None)
        self.following = following
        self.prev = following.header["prev"] if following else None
        self.compacted, self.sealed, self.next_report = s.compacted, None, None
        for other in behind:
            self.next_report = self.next_report or other.report
            if other.header and not other.foreign and other.first:
                break
        if self.prev and self.prev["segment"] == s.number and not self.compacted:
            self.sealed = dict(self.prev, bytes=max(self.prev["bytes"], s.start))
        tops = [MAX_NUMBER]
        if self.prev and self.prev["segment"] >= s.number:
            tops.append(self.prev["last_seq"])
        if self.compacted:
            tops.append(self.compacted["last_seq"])
        self.top = min(tops)
        self.found = []  # (gap, the next entry or None), to be judged

    def never_created(self):
        s = self.s
        if s.foreign or s.header or s.size > MAX_HEADER or b"\n" in s.raw[:-1]:
            return False
        if any(piece for _, piece in pieces(s.raw, 0, s.size) if s.raw.endswith(b"\n")):
            return False
        return not (self.prev and self.prev["segment"] >= s.number)

    def read(self):
        s, journal = self.s, self.journal
        if s.newer:
            return self.unsupported()
        if s.foreign:
            self.tell(gap(s.number, 0, s.size, "foreign"))
            return self.judge()
        if self.never_created():
            return
        self.lost_before()
        if not s.header and s.size:
            self.tell(gap(s.number, 0, s.start, "header"))
        self.end = min(self.sealed["bytes"], s.size) if self.sealed else s.size
        self.end_at_lines()
        self.lines()
        self.judge()
        journal.before = s.through

    def unsupported(self):
        s, journal = self.s, self.journal
        following = self.behind[0] if self.behind else None
        prev = following.header["prev"] if following and following.header and not following.foreign else None
        found, through = gap(s.number, 0, 0, "unsupported"), s.number
        if journal.before >= s.number:  # a compacted segment stands for it
            prev = None
        if prev and prev["segment"] >= s.number:
            found = gap(s.number, 0, 0, "unsupported", journal.named + 1, prev["last_seq"])
            journal.named, through = max(journal.named, prev["last_seq"]), prev["segment"]
        journal.before = max(journal.before, through)
        journal.gaps.append(found)

    def lost_before(self):
        """A segment that the header's `prev` names and that is not there."""
        prev, journal = self.s.header and self.s.header["prev"], self.journal
        if prev and journal.before < prev["segment"] and journal.named < prev["last_seq"]:
            lost = gap(prev["segment"], 0, prev["bytes"], "lost", journal.named + 1, prev["last_seq"], True)
            journal.before = prev["segment"]
            self.tell(lost)
            self.judge()
            journal.named = prev["last_seq"]

    def end_at_lines(self):
        """The exception of the seal: lines behind `prev.bytes` that belong to the segment."""
        s, sealed = self.s, self.sealed
        if not sealed or self.end >= s.size:
            return
        last = self.journal.last
        for _, _, found, _ in lines_of(s.raw, s.start, self.end):
            if found and last < found.seq <= self.top:
                last = found.seq
        if last >= sealed["last_seq"]:
            return
        at = self.start_of_bad_end()
        for _, stop, found, _ in lines_of(s.raw, at, s.size):
            if found and last < found.seq <= sealed["last_seq"]:
                self.end = stop

    def start_of_bad_end(self):
        """Where the run of bad lines begins that reaches to the seal; the seal, if there is none."""
        at, bad = self.end, False
        for offset, _, found, _ in lines_of(self.s.raw, self.s.start, self.end):
            if found and found.seq <= self.top:
                bad = False
            elif not bad:
                at, bad = offset, True
        return at if bad else self.end

    def tell(self, found, follows=None):
        self.found.append((found, follows))

    def missing(self, upto):
        """Takes the numbers from the first that nothing accounts for up to this one: (first, last), or (None, None)."""
        first = self.journal.named + 1
        if upto is None or first > upto:
            return None, None
        self.journal.named = upto
        return first, upto

    def deliver(self, found):
        journal = self.journal
        journal.entries.append(found)
        self.s.entries.append(found)
        journal.last, journal.named = found.seq, max(journal.named, found.seq)

    def lines(self):
        s, journal = self.s, self.journal
        self.bad, again = [], None
        for offset, stop, found, whole in lines_of(s.raw, s.start, self.end):
            if not found or found.seq > self.top:
                self.bad.append((offset, stop, whole))
                again = None
            elif found.seq <= journal.last:
                if (found.seq, found.line[-10:]) in {(e.seq, e.line[-10:]) for e in s.entries}:
                    continue  # its checksum is that of the entry with its number
                if again and again["offset"] + again["bytes"] == offset:
                    again["bytes"] += stop - offset
                else:
                    again = gap(s.number, offset, stop - offset, "duplicate")
                    self.tell(again)
            else:
                self.flush(found.seq, found)
                first, last = self.missing(found.seq - 1)
                if first and not self.compacted:
                    self.tell(gap(s.number, offset, 0, "missing", first, last), found)
                again = None
                self.deliver(found)
        self.finish()

    def finish(self):
        """What is known of the numbers at the end of the segment."""
        s, journal = self.s, self.journal
        sure = self.sealed or self.compacted
        named = journal.named
        before = len(self.found)
        if sure:
            self.flush(sure["last_seq"] + 1, None)
        elif self.bad:
            self.flush(None, None)
        told = len(self.found) > before
        first, last = self.missing(sure["last_seq"]) if sure else (None, None)
        if first and not self.compacted:
            self.tell(gap(s.number, self.end, 0, "missing", first, last))
        if self.compacted and len(s.entries) < self.compacted["entries"] and not told:
            self.tell(gap(s.number, self.end, 0, "missing", named + 1, self.compacted["last_seq"]))
        if self.sealed and s.size < self.sealed["bytes"]:
            self.short(before)
        elif s.size > self.end:
            self.tell(gap(s.number, self.end, s.size - self.end, "behind_seal"))

    def short(self, before):
        """The file is shorter than its seal: what is missing at its end is lost."""
        s = self.s
        at_end = self.found[-1] if len(self.found) > before else None
        if at_end and not at_end[1]:  # no entry follows it
            at_end = at_end[0]
            at_end.update(kind="lost", bytes=self.sealed["bytes"] - at_end["offset"])
        elif s.entries:
            self.tell(gap(s.number, s.size, self.sealed["bytes"] - s.size, "lost"))

    def flush(self, behind, follows):
        """Ends a run of bad lines: salvages what they hold below the number `behind`; the rest are gaps."""
        if not self.bad:
            return
        s, journal = self.s, self.journal
        begin, limit = self.bad[0][0], min(behind or MAX_NUMBER + 1, self.top + 1)
        self.salvaged_end = None
        for offset, stop, whole in self.bad:
            if not whole:
                continue
            for at, found in pieces(s.raw, offset, stop):
                if found and journal.last < found.seq < limit:
                    first, last = self.missing(found.seq - 1)
                    if at > begin:
                        self.tell(gap(s.number, begin, at - begin, "bad", first, last), found)
                    elif first and not self.compacted:
                        self.tell(gap(s.number, at, 0, "missing", first, last), found)
                    self.deliver(found)
                    begin = at + len(found.line)
                    begin += s.raw[begin:begin + 1] == b"\n"
                    self.salvaged_end = (begin, stop)
        end = self.bad[-1][1]
        self.bad = []
        if begin < end:
            if behind is None:
                behind = self.number_in_next_file()
            first, last = self.missing(behind - 1 if behind else None)
            found = gap(s.number, begin, end - begin, "bad", first, last)
            found["at_end"] = follows is None and behind is None and not self.behind
            found["rest"] = self.salvaged_end == (begin, end) and end == self.end
            self.tell(found, follows)

    def number_in_next_file(self):
        """The first number in a next file that has no good header to say what came before it."""
        following = self.behind[0] if self.behind else None
        if not following or following.header or following.foreign:
            return None
        top = One(self.journal, following, self.behind[1:]).top
        numbers = (f.seq for _, _, f, _ in lines_of(following.raw, following.start, following.size) if f)
        return next((seq for seq in numbers if self.journal.last < seq <= top), None)

    def durable(self, first):
        s, following = self.s, self.following
        prev = s.header and s.header["prev"]
        if prev and first <= prev["last_seq"]:
            return True
        if self.compacted or max([e.synced for e in s.entries] or [0]) >= first:
            return True
        if not following:
            return False
        return following.epoch == s.last_epoch if s.header else following.header["epoch"] <= s.number

    def judge(self):
        for found, follows in self.found:
            at_end, rest = found.pop("at_end", False), found.pop("rest", False)
            first = found["first_seq"]
            if found["kind"] == "missing":
                found["acknowledged"] = True if self.compacted or self.durable(first) else None
            elif found["kind"] == "lost":
                found["acknowledged"] = True
            elif found["kind"] == "bad":
                sure = bool(first) and self.durable(first)
                found["kind"] = "torn" if at_end else "foreign" if not first else "corrupt" if sure else "hole"
                found["acknowledged"] = True if found["kind"] == "corrupt" else None
                if rest and not first and self.sealed and self.is_left_by_recovery():
                    found.update(kind="torn", explained=True)
            self.explain(found, follows)
            self.journal.gaps.append(found)
        self.found = []

    def is_left_by_recovery(self):
        last = self.journal.last
        return bool(self.next_report) and self.next_report[0] == last and any(first == last + 1 for first, _ in self.next_report[1])

    def explain(self, found, follows):
        first, last = found["first_seq"], found["last_seq"]
        if first and follows and follows.type == "events_lost" and lost_by(follows.data, first, last):
            found.update(explained=True, acknowledged=None)
        for _, holes, cuts in filter(None, (self.s.report, self.next_report)):
            in_hole = first and any(a <= first and last <= b for a, b in holes)
            in_cut = found["bytes"] and any(n == found["segment"] and o <= found["offset"] and found["offset"] + found["bytes"] <= o + z for n, o, z in cuts)
            if in_hole or in_cut:
                found.update(explained=True, acknowledged=None)
                cut = next((cut for cut in cuts if cut[0] == self.journal.before), None)
                if cut and not found["bytes"]:
                    found.update(segment=cut[0], offset=cut[1], bytes=cut[2], kind="torn")
                return


def lost_by(data, first, last):
    try:
        return int(data["first_seq"]) <= first and last <= int(data["last_seq"])
    except (KeyError, TypeError, ValueError):
        return False


def read(directory):
    return Reader(directory)
