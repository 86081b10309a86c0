"""Records a run through `foldlog record`, in the standard library. Run it again: it continues behind what is on disk.

usage: FOLDLOG=path/to/foldlog python3 client.py SESSION
"""
import json, os, subprocess, sys


class Recorder:
    def __init__(self, session):
        command = [os.environ.get("FOLDLOG", "foldlog"), "record", session, "--ack"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.sent, self.safe = 0, 0  # input lines: sent, and acknowledged
        self.ready = self.reply()  # locked and recovered; says what is there

    def reply(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else sys.exit(f"foldlog ended: exit code {self.process.wait()}")

    def push(self, type, id=None, **data):  # for what nobody waits for, such as text as it streams in
        event = {"type": type, "data": data} | ({"id": id} if id else {})
        self.process.stdin.write(json.dumps(event).encode() + b"\n")
        self.sent += 1

    def append(self, type, id=None, **data):  # returns when this and all before it is on disk
        self.push(type, id, **data)
        self.process.stdin.flush()
        while self.safe < self.sent:
            self.safe = self.reply().get("line") or self.safe  # also {"waiting":"disk full"}: then it waits


recorder = Recorder(sys.argv[1])
print(f"at entry {recorder.ready['last_seq']}, left open: {recorder.ready['open']}")
left_open = {turn["turn_id"] for turn in recorder.ready["open"]}
done = int((recorder.ready["last_id"] or "step-0").removeprefix("step-"))
for step in range(done + 1, done + 4):
    turn, call = f"t-{step}", f"c-{step}"
    if turn not in left_open:
        recorder.append("turn_started", turn_id=turn, prompt=f"Step {step}")
    recorder.append("tool_call_started", turn_id=turn, call_id=call, tool_name="shell", arguments={"cmd": "true"})
    subprocess.run(["true"])  # its start is on disk: now we may act
    recorder.push("tool_call_ended", turn_id=turn, call_id=call, result="ok")
    recorder.append("turn_ended", id=f"step-{step}", turn_id=turn, response_content=f"Step {step} ✓")
recorder.process.stdin.close()
sys.exit(recorder.process.wait())
