"""Errors of pulling an image from a registry."""


class RegistryError(Exception):
    """The image cannot be pulled for a reason that the participant can fix.

    code: of the failure table. note: one sentence for the participant, without any text from the registry.
    """

    def __init__(self, code: str, note: str = "", staff_detail: str = "") -> None:
        super().__init__(f"{code}: {note} {staff_detail}".strip())
        self.code = code
        self.note = note
        self.staff_detail = staff_detail


class RegistryUnavailable(Exception):
    """The registry, or the network to it, failed; another attempt may help. The text is for staff."""
