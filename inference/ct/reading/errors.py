"""The error for an invalid image file: a reason code and one sentence for the sender."""


class InvalidImageFile(ValueError):
    """The file cannot be used.

    code: a reason of the catalogue, e.g. "HEADER_DIMS".
    note: a sentence that says what to change; it contains no path and no content of the file.
    """

    def __init__(self, code: str, note: str) -> None:
        super().__init__(f"{code}: {note}")
        self.code = code
        self.note = note

    def __reduce__(self) -> tuple[type["InvalidImageFile"], tuple[str, str]]:
        return InvalidImageFile, (self.code, self.note)
