"""The record of a session as far as the differential test compares it (docs/FORMAT.md, section 7)."""


class Turn:
    def __init__(self):
        self.status, self.implicit, self.calls = "running", True, []

    def call(self, call_id):
        """The newest call of this id; one is made if there is none."""
        found = next((call for call in reversed(self.calls) if call[0] == call_id), None)
        if not found:
            found = [call_id, "running", True]
            self.calls.append(found)
        return found

    def interrupt(self, with_turn):
        if with_turn and self.status == "running":
            self.status = "interrupted"
        for call in self.calls:
            if call[1] == "running":
                call[1] = "interrupted"


def ended(data):
    """Section 7, "Status"."""
    return "error" if data.get("error") else data.get("status") or "success"


def fold(entries):
    """The turns of the record, as (id, status, [(call id, status)]); enough for the types that `mutations.py` records."""
    turns = []

    def turn(name):
        found = next((t for n, t in reversed(turns) if n == name), None)
        if not found:
            found = Turn()
            turns.append((name, found))
        return found

    for e in entries:
        if e.type in ("journal_recovered", "journal_closed", "session_ended") and e.is_json:
            for _, found in turns:
                found.interrupt(True)
        name, call_id = e.data.get("turn_id"), e.data.get("call_id")
        if not isinstance(name, str) or (e.type.startswith("tool_call") and not isinstance(call_id, str)):
            continue
        if e.type == "turn_started":
            found = turn(name)
            if not found.implicit and found.status not in ("running", "interrupted"):
                found = Turn()
                turns.append((name, found))
            found.implicit = False
            if found.status == "interrupted":
                found.status = "running"
        elif e.type == "turn_ended":
            found = turn(name)
            found.interrupt(False)
            found.status = ended(e.data)
        elif e.type in ("text_delta", "tool_call_started", "tool_call_output", "tool_call_ended"):
            found = turn(name)
            if found.status == "interrupted":
                found.status = "running"
            if e.type != "text_delta":
                within_call(found, e, call_id)
    return [(name, t.status, [(call[0], call[1]) for call in t.calls]) for name, t in turns]


def within_call(turn, e, call_id):
    call = turn.call(call_id)
    if e.type == "tool_call_ended":
        call[1] = ended(e.data)
    elif e.type == "tool_call_output":
        call[1] = "running" if call[1] == "interrupted" else call[1]
    else:
        if call[1] == "success" and not call[2]:
            call = [call_id, "running", False]
            turn.calls.append(call)
        elif call[1] in ("interrupted", "error", "timeout"):
            call[1] = "running"
        call[2] = False
