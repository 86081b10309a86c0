"""Records a run through `foldlog record`, in the standard library. Run it again: it continues after what is on disk.

usage: FOLDLOG=path/to/foldlog python3 client.py SESSION
"""
import json, os, subprocess, sys


class Recorder:
    def __init__(self, session):
        command = [os.environ.get("FOLDLOG", "foldlog"), "record", session, "--ack"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.sent, self.safe = 0, 0  # input lines: sent, and acknowledged
        self.ready = self.reply()  # locked and recovered; says what is there

    def reply(self):  # the next reply; None at the end
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            return None
        reply = json.loads(line)
        if "error" in reply:  # this line is not recorded as the event that it was meant to be
            sys.exit(f"foldlog: line {reply['line']}: {reply['error']}")
        if "warning" in reply or "waiting" in reply:  # such as {"waiting":"disk full"}; it ends with {"waiting":null}
            print("foldlog:", reply, file=sys.stderr)
        if "seq" in reply:
            self.safe = reply["line"]
        return reply

    def send(self, message):
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()  # from here on it survives our own death
        except BrokenPipeError:  # the recorder has ended; its last replies say why
            self.wait_for(lambda reply: False)
        self.sent += 1

    def wait_for(self, wanted):
        while reply := self.reply():
            if wanted(reply):
                return reply
        sys.exit(f"foldlog ended: exit code {self.close()}")

    def push(self, type, id=None, **data):  # for what nobody waits for, such as text as it streams in
        self.send({"type": type, "data": data} | ({"id": id} if id else {}))

    def append(self, type, id=None, **data):  # returns when this and all before it is on disk
        self.push(type, id, **data)
        self.wait_for(lambda reply: self.safe >= self.sent)

    def lookup(self, id):  # whether an event with this id is on disk: {"found": 7 or None, "complete": whether all was searched}
        self.send({"lookup": id})
        return self.wait_for(lambda reply: "lookup" in reply)

    def close(self):  # returns its exit code when everything is on disk
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended before
        while self.reply():
            pass
        return self.process.wait()


recorder = Recorder(sys.argv[1])
if recorder.ready is None:
    sys.exit(recorder.close())  # it has said why on stderr
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
sys.exit(recorder.close())
