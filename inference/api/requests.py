"""Requests of the prediction endpoints: each serializer defines one body."""
# ruff: noqa: N815  the contract spells its parameters so

from typing import Any

from rest_framework import serializers

from inference.api.base import first_problem, only_once
from inference.api.fields import (
    DateField,
    NumberField,
    PatternField,
    StrictChoiceField,
    TextField,
    WholeField,
    YesNoField,
    whole_number,
)
from inference.ct.reading.file_formats import foreign_format
from lunasite.http.errors import ApiError
from lunasite.http.multipart import is_file, misnamed, missing_file, sent_as_file
from lunasite.http.strict_json import NotStrictJson, parse_strict

SERIES_UID = r"^[A-Za-z0-9._-]{1,64}\Z"
MAX_LESIONS = 100
MAX_SLICES = 16
MHA, MHD = ".mha", ".mhd"
FORMAT_BYTES = 512
FILE_FIELDS = ("file", "rawFile")
AXES = ("coordX", "coordY", "coordZ")


class UploadPartField(serializers.FileField):
    """A file part; an empty file is accepted here, and the file's reader reports what is wrong with it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_empty_file=True, max_length=None, **kwargs)


class FormRequest(serializers.Serializer[Any]):
    """A multipart body, parsed strictly: each part once, files checked before parameters."""

    file_codes = {"required": "FILE_REQUIRED", "invalid": "FILE_REQUIRED", "no_name": "FILE_REQUIRED"}
    repeatable: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """Return the values of a body. Raises ApiError 400 for the first invalid value."""
        form = cls(data=data)
        form.check_parts(data)
        if not form.is_valid():
            raise form.refusal()
        return form.validated_data

    def check_parts(self, data: Any) -> None:
        """Raise ApiError 400 if a parameter is repeated."""
        if hasattr(data, "getlist"):
            names: Any = self.fields
            only_once(data, tuple(name for name in names if name not in self.repeatable))

    def refusal(self) -> ApiError:
        wrong = self.errors
        for name in FILE_FIELDS:
            if name in wrong:
                return self.file_refusal(name, first_problem({name: wrong[name]})[1])
        name, problem = first_problem(wrong)
        reason = str(problem.code).upper()
        told = missing_note(name, problem, self.initial_data)
        return ApiError(400, "VALIDATION_ERROR", f"{name}: {told}", field=name, reason=reason)

    def file_refusal(self, name: str, problem: Any) -> ApiError:
        reason = self.file_codes.get(problem.code, problem.code)
        message = str(problem)
        if reason == "FILE_REQUIRED":
            message = missing_file(
                self.initial_data, content_type_of(self.initial_data), wanted=name, known=FILE_FIELDS
            )
        return ApiError(400, "INVALID_FILE_FORMAT", message, field=name, reason=reason)


class ScanRequest(FormRequest):
    """A CT volume as MetaImage, with optional patient data (checked, never stored)."""

    file = UploadPartField(help_text="The volume: .mha, or .mhd with its data file as `rawFile`.")
    rawFile = UploadPartField(required=False, help_text="The data file that a .mhd points to.")
    seriesInstanceUID = PatternField(
        SERIES_UID,
        sentence="send 1 to 64 letters, digits, dots, underscores or hyphens.",
        max_length=64,
        trim_whitespace=False,
        help_text="Echoed in the answer.",
    )
    patientID = TextField(required=False, allow_blank=True, max_length=128, trim_whitespace=False)
    studyDate = DateField(required=False)
    ageAtStudyDate = WholeField(high=130, required=False)
    gender = StrictChoiceField(["Male", "Female"], required=False)
    allowNonHu = YesNoField(required=False, help_text="Answer although the voxels do not look like Hounsfield units.")
    recenter = YesNoField(required=False, help_text="Judge the middle of the lesion at the point instead of the point.")

    def check_parts(self, data: Any) -> None:
        self.check_plain_fields(data)
        check_file_set(data)
        super().check_parts(data)

    def check_plain_fields(self, data: Any) -> None:
        """Raise ApiError 400 if a plain field came as a file, as JavaScript sends a Blob."""
        names: Any = self.fields
        sent = next((name for name in names if name not in FILE_FIELDS and is_file(data.get(name))), None)
        if sent is not None:
            raise ApiError(400, "VALIDATION_ERROR", sent_as_file(sent), field=sent, reason="INVALID")


class LesionRequest(ScanRequest):
    """One lesion of a CT volume."""

    lesionID = WholeField()
    coordX = NumberField(help_text="World millimetres, LPS as in ITK.")
    coordY = NumberField()
    coordZ = NumberField()


class LesionPlace(serializers.Serializer[Any]):
    lesionID = WholeField()
    coordX = NumberField(help_text="World millimetres, LPS as in ITK.")
    coordY = NumberField()
    coordZ = NumberField()


class LesionBatchRequest(ScanRequest):
    """Several lesions of one CT volume, which is read once."""

    lesions = TextField(
        max_length=100_000,
        help_text='JSON: [{"lesionID": 1, "coordX": -12.5, "coordY": 30, "coordZ": -101}, …], at most 100.',
    )

    def validate_lesions(self, text: str) -> list[dict[str, Any] | ApiError]:
        """Return each row's values, or its error. Raises ApiError if every row is invalid."""
        try:
            rows = parse_strict(text, may_begin_with_bom=True)
        except NotStrictJson as error:
            note = f"the text {error}: send a JSON list of 1 to {MAX_LESIONS} lesions, written by a JSON library."
            raise serializers.ValidationError(note, "lesions") from error
        if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_LESIONS:
            raise serializers.ValidationError(f"send a JSON list of 1 to {MAX_LESIONS} lesions.", "lesions")
        places = [self._place(position, row) for position, row in enumerate(rows)]
        if isinstance(places[0], ApiError) and all(isinstance(place, ApiError) for place in places):
            raise places[0]
        return places

    def _place(self, position: int, row: Any) -> dict[str, Any] | ApiError:
        texts = {key: json_text(value) for key, value in row.items()} if isinstance(row, dict) else {}
        place = LesionPlace(data=texts)
        if not place.is_valid():
            name, problem = first_problem(place.errors)
            return ApiError(
                400, "VALIDATION_ERROR", f"lesions, row {position}: {name}: {_row_note(name, problem, row)}",
                field="lesions", row=position, column=name, reason=str(problem.code).upper(),
                lesionID=whole_number(texts.get("lesionID", "")),
            )  # fmt: skip
        return place.validated_data


class SliceRequest(FormRequest):
    """One CT slice."""

    file = UploadPartField(help_text="PNG or JPEG, at most 20 MB and 4096 x 4096 pixels.")


class SliceBatchRequest(FormRequest):
    """Several CT slices: the part `file` repeated."""

    file = serializers.ListField(
        child=UploadPartField(),
        min_length=1,
        max_length=MAX_SLICES,
        help_text="PNG or JPEG; repeat the part, at most 16.",
        error_messages={"max_length": "Send at most {max_length} files."},
    )
    repeatable = ("file",)
    file_codes = {**FormRequest.file_codes, "min_length": "FILE_REQUIRED", "max_length": "TOO_MANY_FILES"}


def other_spelling(name: str, data: Any) -> str | None:
    """Return under which name a field was sent that differs only in case, underscores or hyphens, as in tables."""

    def letters(text: str) -> str:
        return text.replace("_", "").replace("-", "").lower()

    return next((sent for sent in data if sent != name and letters(sent) == letters(name)), None)


def _row_note(name: str, problem: Any, row: Any) -> str:
    """Return what to send instead of a row's value; a row is what JSON made of it."""
    if isinstance(row, dict) and isinstance(row.get(name), str):
        return f"{sentence(problem).removesuffix('.')}, as a JSON number without quotes."
    return missing_note(name, problem, row if isinstance(row, dict) else {})


def missing_note(name: str, problem: Any, data: Any) -> str:
    """Return the sentence of a problem, or under which other name the missing value was sent."""
    other = other_spelling(name, data) if problem.code == "required" else None
    return sentence(problem) if other is None else f"it came as `{other[:40]}`; name it `{name}`."


def sentence(problem: Any) -> str:
    """Return the sentence that says what to send instead."""
    return "it is missing; send it." if problem.code == "required" else str(problem)


def check_file_set(data: Any) -> None:
    """Raise ApiError 400 unless the files are one .mha, or one .mhd and at most its data file."""
    files = {name: data.getlist(name) for name in data if is_file(data.get(name))}
    main, raw = files.get("file", []), files.get("rawFile", [])
    name = (main[0].name or "").lower() if main else ""
    if not main and not raw and not files:
        raise _bad_file("FILE_REQUIRED", missing_file(data, content_type_of(data)))
    others = sorted(set(files) - set(FILE_FIELDS))
    if others and len(main) == 1 and name.endswith(MHA):
        raise _bad_file("FILE_SET", "A .mha comes alone: leave the other files out.")
    if others and len(main) + len(raw) == 1 and len(others) == 1:
        raise _bad_file("FILE_SET", misnamed(others[0], _wanted_name(name)))
    if others and not main and len(others) == 1:
        raise _bad_file("FILE_REQUIRED", misnamed(others[0], "file"))
    if others or len(main) != 1 or len(raw) > 1:
        raise _bad_file("FILE_SET", "Send one .mha, or one .mhd as `file` with its data file as `rawFile`.")
    if name.endswith((".raw", ".zraw")) or (raw and name.endswith(MHA)):
        raise _bad_file("FILE_SET", "Send a .mhd as `file` with its data file as `rawFile`, or a .mha alone.")
    if not name.endswith((MHA, MHD)):
        raise _bad_file("FILE_ENDING", _other_ending(main[0]))


def _other_ending(file: Any) -> str:
    """Return what a file of another ending is and how it becomes a MetaImage file: a new name alone may not do."""
    head = file.read(FORMAT_BYTES)
    file.seek(0)
    foreign = None if head.startswith(b"ObjectType") else foreign_format(head)
    if foreign is None:
        return "The volume must be a MetaImage file: its name ends in .mha or .mhd."
    return f"The volume must be a MetaImage file, and this is {foreign.name}: {foreign.to_scan}"


def _wanted_name(main_name: str) -> str:
    """Return the field that should hold the file: `rawFile` beside a .mhd, else `file`."""
    return "rawFile" if main_name.endswith(MHD) else "file"


def content_type_of(data: Any) -> str:
    """Return the media type of a body whose type cannot hold files, or an empty text."""
    return getattr(data, "content_type", "")


def _bad_file(reason: str, message: str) -> ApiError:
    return ApiError(400, "INVALID_FILE_FORMAT", message, field="file", reason=reason)


def json_text(value: Any) -> str:
    """Return a JSON number as it would be written in a form; any other value becomes text that is not a number."""
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
