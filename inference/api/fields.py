"""Strict parsing of text fields: ASCII only, one spelling, no `nan`, no `1_0`, no full-width digits."""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
WHOLE = re.compile(r"\d{1,18}", re.ASCII)
DATE = re.compile(r"\d{8}", re.ASCII)
YES_NO = {"true": True, "1": True, "false": False, "0": False}


def finite_number(text: str) -> float | None:
    """Return the number, or None if the text is not a finite number."""
    value = float(text) if NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None


def whole_number(text: str) -> int | None:
    """Return the whole number ≥ 0, or None if the text is not a whole number."""
    return int(text) if WHOLE.fullmatch(text) else None


def text_of(data: Any) -> str:
    return data if isinstance(data, str) else ""


class BlankIsInvalid:
    """Treat an empty text as invalid in a required field, and as a missing value in an optional field.

    HTML forms and form clients send every field; the fields that were not filled in are empty.
    """

    field_name: str | None
    required: bool

    def get_value(self, dictionary: Any) -> Any:
        value = dictionary.get(self.field_name, empty)
        return empty if value == "" and not self.required else value


class ChoiceTextField(serializers.ChoiceField):
    """One of the choices, spelled exactly."""

    def __init__(self, choices: Sequence[str], **kwargs: Any) -> None:
        sentence = f"send exactly {', '.join(choices[:-1])} or {choices[-1]}."
        super().__init__(choices, error_messages={"invalid_choice": sentence, "null": sentence}, **kwargs)


class StrictChoiceField(BlankIsInvalid, ChoiceTextField):
    """One of the choices; an empty text is not a choice."""


class RemedyCharField(serializers.CharField):
    """Text whose error messages say what to send rather than what was wrong."""

    default_error_messages = {
        "invalid": "send text.",
        "blank": "it is empty; send a value.",
        "max_length": "send at most {max_length} characters.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for validator in self.validators:
            if isinstance(validator, ProhibitNullCharactersValidator):
                validator.message = "send it without null characters."


class TextField(RemedyCharField):
    """Any text."""


class PatternField(RemedyCharField, serializers.RegexField):
    """Text that matches one pattern; `told` is the error message for text that does not match."""

    def __init__(self, regex: str, *, sentence: str, **kwargs: Any) -> None:
        messages = dict.fromkeys(("invalid", "blank", "max_length"), sentence)
        super().__init__(regex=regex, error_messages=messages, **kwargs)


class StrictField(BlankIsInvalid, serializers.Field[Any, Any, Any, Any]):
    """A value that this module parses itself."""

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(OpenApiTypes.DOUBLE)
class NumberField(StrictField):
    """A finite number; `low` and `high` bound it when given."""

    default_error_messages = {
        "invalid": "send a finite decimal number, such as -123.4.",
        "range": "send a number from {low} to {high}.",
    }

    def __init__(self, low: float | None = None, high: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low, self.high = low, high

    def to_internal_value(self, data: Any) -> float:
        value = finite_number(text_of(data))
        if value is None:
            self.fail("invalid")
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            self.fail("range", low=self.low, high=self.high)
        return value


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": 10**18 - 1})
class WholeField(StrictField):
    """A whole number from 0 to `high`, in ASCII digits."""

    default_error_messages = {"invalid": "send a whole number from 0 to {high} in digits."}

    def __init__(self, high: int = 10**18 - 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.high = high

    def to_internal_value(self, data: Any) -> int:
        value = whole_number(text_of(data))
        if value is None or value > self.high:
            self.fail("invalid", high=self.high)
        return value


@extend_schema_field({"type": "string", "pattern": r"^\d{8}$", "example": "20240131"})
class DateField(StrictField):
    """A real date as `YYYYMMDD`."""

    default_error_messages = {"invalid": "send a real date as YYYYMMDD, such as 20240131."}

    def to_internal_value(self, data: Any) -> str:
        text = text_of(data)
        try:
            if DATE.fullmatch(text):
                datetime.strptime(text, "%Y%m%d")
                return text
        except ValueError:
            pass
        return self.fail("invalid")


@extend_schema_field(OpenApiTypes.BOOL)
class YesNoField(StrictField):
    """`true` or `false`, also `1` or `0`, in any case. A missing value is not taken as false."""

    default_error_messages = {"invalid": "send true or false."}

    def to_internal_value(self, data: Any) -> bool:
        value = YES_NO.get(text_of(data).lower())
        if value is None:
            self.fail("invalid")
        return value
