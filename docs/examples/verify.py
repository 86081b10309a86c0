"""Checks every line of a foldlog session directory. An independent reader: it shares no code with foldlog.

usage: python3 verify.py SESSION_DIRECTORY
"""
import io, pathlib, sys, zlib

good, bad = 0, 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jsonl")):
    offset, data = 0, path.read_bytes()
    if b'"prefilled":true' in data[: data.find(b"\n")] and data.endswith(b"\n\n"):
        data = data.rstrip(b"\n") + b"\n"  # what follows is room for lines
    for line in io.BytesIO(data):  # bytes: splits on 0x0A only
        body, suffix = line[:-19], line[-19:]
        if suffix == b',"crc":"%08x"}\n' % zlib.crc32(body):
            good += 1
        else:
            bad += 1
            print(f"{path.name}: bad line at byte {offset}", file=sys.stderr)
        offset += len(line)
print(f"{good} good lines, {bad} bad")
sys.exit(1 if bad else 0)
