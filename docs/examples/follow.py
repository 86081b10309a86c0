"""Follows a foldlog session while it is written, and prints each entry once, in order, whole.

An independent follower: it shares no code with foldlog.

usage: python3 follow.py SESSION_DIRECTORY [SEQ, to go on behind it]
"""
import json, pathlib, sys, time, zlib


def say(words):
    print(words, file=sys.stderr, flush=True)


def good(line):
    return line[-19:] == b',"crc":"%08x"}\n' % zlib.crc32(line[:-19])


def header(path):
    try:
        with path.open("rb") as file:
            line = file.readline()
    except FileNotFoundError:  # merged into an earlier segment meanwhile
        return None
    return json.loads(line) if good(line) and line.startswith(b'{"foldlog":') else None


def headers(directory, behind):
    """The good headers of the segments that stand for more than `behind`, in order."""
    for path in sorted(directory.glob("*.jsonl")):
        head = header(path)
        if head:
            through = head.get("compacted", {}).get("through", head["segment"])
            if through > behind:
                yield path, through, head


def follow(directory, last=0):
    through, current = 0, None
    while True:
        if current is None:
            current = next(headers(directory, through), None)
            if current is None:
                time.sleep(0.1)
                continue
            path, stands_for, head = current
            file, offset = path.open("rb"), 0
            if head["prev"] and head["prev"]["last_seq"] < last and "compacted" not in head:
                say(f"a power cut took what stood behind seq {head['prev']['last_seq']}")
                last = head["prev"]["last_seq"]
        # First whether there is a next segment, then how long this one is: one with a successor is complete.
        successor = next(headers(directory, stands_for), None)
        end = None
        if successor and successor[2]["prev"] and successor[2]["prev"]["segment"] == head["segment"]:
            end = successor[2]["prev"]["bytes"]
        file.seek(offset)
        for line in file:  # bytes: splits on 0x0A only
            if not line.endswith(b"\n") or (end is not None and offset + len(line) > end):
                break  # half a line: read it again, from its start, when there is more
            if not good(line):
                say(f"{path.name}: bad line at byte {offset}")
            elif line.startswith(b'{"seq":'):
                seq = int(line[7 : line.index(b",")])
                if seq > last:
                    last = seq
                    yield line
            offset += len(line)
        if successor:
            file.close()
            through, current = stands_for, None
        else:
            time.sleep(0.1)


if __name__ == "__main__":
    for line in follow(pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
