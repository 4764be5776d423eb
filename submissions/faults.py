"""The two errors of everything that is judged here: one is the participant's, one the platform's. Framework-free."""

from __future__ import annotations

from dataclasses import dataclass


class ParticipantError(Exception):
    """The participant's fault: an upload that is refused, or what was found while evaluating.

    code: of the failure table (`submissions.failures`). note: a sentence that adds to the code's own; the platform
    words it, so it holds no path, digest or output. staff_detail: whatever helps staff. stage: where it was found, if
    not at the code's own stage: `smoke` costs no try.
    """

    def __init__(self, code: str, note: str = "", *, staff_detail: str = "", stage: str = "") -> None:
        super().__init__(f"{code}: {note}")
        self.code = code
        self.note = note
        self.staff_detail = staff_detail
        self.stage = stage


@dataclass(frozen=True)
class SharedPart:
    """A part that many evaluations need: `part` and `scope` as in models.Incident; `key`, a file to probe it by."""

    part: str
    scope: str = ""
    key: str = ""


class PlatformError(Exception):
    """Our fault; another attempt may help. code: one of SYSTEM_*. Only staff see `staff_detail`.

    shared: the part that is away, where it is not this evaluation's own trouble: then the attempt does not count.
    """

    def __init__(self, code: str, staff_detail: str = "", *, note: str = "", shared: SharedPart | None = None) -> None:
        super().__init__(f"{code}: {note} {staff_detail}".strip())
        self.code = code
        self.note = note
        self.staff_detail = staff_detail
        self.shared = shared
