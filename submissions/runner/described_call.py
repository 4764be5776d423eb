"""A call that a service's own description names, and what to choose on the form so that it is made like that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

DIFFERS = "My service differs from the contract"
FILE_FIELDS = ("file", "image", "image_file")


class Sent(Protocol):
    """How calls were made: the file's part, the other fields, and what those are called in LUNA25's table.

    may_omit: what the form can leave out, by each name that it is sent under; the value is its name on the form.
    """

    @property
    def file_field(self) -> str: ...
    @property
    def fields(self) -> tuple[str, ...]: ...
    @property
    def may_omit(self) -> Mapping[str, str]: ...
    @property
    def csv_fields(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class DescribedCall:
    """A POST of a form. file: its part with the file. fields, others: those it must and may have beside that.

    takes_more: whether a field that is not among these is ignored. The names are a participant's words.
    """

    path: str
    file: str
    fields: Sequence[str] = ()
    others: Sequence[str] = ()
    takes_more: bool = True

    def fits(self, sent: Sent) -> list[str]:
        """Return a sentence for each difference between this call and how calls were made."""
        sentences = [] if self.file == sent.file_field else [self._file_sentence()]
        missing = [name for name in self.fields if name not in sent.fields]
        wants_table = bool(missing) and all(name in (*sent.csv_fields, *sent.fields) for name in self.fields)
        if wants_table:
            sentences.append(
                'It wants LUNA25\'s names: choose those as Names of the fields (API: adapter={"field_names": "csv"}).'
            )
        elif missing:
            named = ", ".join(f"`{name}`" for name in missing)
            sentences.append(
                f"It requires {named}, which no call has: let the service do without, or take one that calls have."
            )
        extra = [] if self.takes_more else self._unknown(sent, sent.csv_fields if wants_table else sent.fields)
        if extra:
            named, listed = ", ".join(f"`{name}`" for name in extra), ", ".join(f'"{name}"' for name in extra)
            sentences.append(f'It takes no {named}: tick that under Do not send (API: adapter={{"omit": [{listed}]}}).')
        return sentences

    def _file_sentence(self) -> str:
        if self.file in FILE_FIELDS:
            return (
                f"It wants the file as `{self.file}`: choose that as Name of the file part "
                f'(API: adapter={{"file_field": "{self.file}"}}).'
            )
        return (
            f"It wants the file as `{self.file}`: call that part of the service `file`, `image` or `image_file`, and "
            "choose that as Name of the file part."
        )

    def _unknown(self, sent: Sent, names: Sequence[str]) -> list[str]:
        """Return what can be left out, by its name on the form, of what is sent under these names."""
        unknown = [name for name in names if name not in (*self.fields, *self.others)]
        return [sent.may_omit[name] for name in unknown if name in sent.may_omit]
