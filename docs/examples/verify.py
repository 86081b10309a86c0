"""Checks every line of a foldlog session directory. An independent reader: it shares no code with foldlog.

usage: python3 verify.py SESSION_DIRECTORY
"""
import pathlib, sys, zlib

good, bad = 0, 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jsonl")):
    offset = 0
    for line in path.open("rb"):  # bytes: splits on 0x0A only
        body, suffix = line[:-19], line[-19:]
        if suffix == b',"crc":"%08x"}\n' % zlib.crc32(body):
            good += 1
        else:
            bad += 1
            print(f"{path.name}: bad line at byte {offset}", file=sys.stderr)
        offset += len(line)
print(f"{good} good lines, {bad} bad")
sys.exit(1 if bad else 0)
