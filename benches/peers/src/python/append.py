"""json.dumps + write + flush a line, as a recorder in Python does. Prints the seconds it took."""
import json, sys, time

events = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
with open(sys.argv[2], "w", encoding="utf-8") as out:
    start = time.perf_counter()
    for event in events:
        out.write(json.dumps(event) + "\n")
        out.flush()
    print(time.perf_counter() - start)
