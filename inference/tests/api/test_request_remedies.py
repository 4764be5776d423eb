"""What clients get wrong about a request is named with what cures it; each cure is applied, and then accepted."""

import json
from collections.abc import Iterator

import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from inference.tests.conftest import LESION, lesion, picture_file, scan_file
from inference.tests.samples import VOXELS, mha, picture

pytestmark = pytest.mark.django_db
LESION_URL, SLICE_URL = "/api/v1/predict/lesion", "/predict"
FEEDBACK = {"predicted_class": "normal", "is_correct": "true"}
MHD = mha(b"", ElementDataFile="scan.raw")


def multipart(fields: dict, content_type: str = MULTIPART_CONTENT) -> tuple[bytes, str]:
    return encode_multipart(BOUNDARY, fields), content_type


def urlencoded(fields: dict) -> tuple[bytes, str]:
    return "&".join(f"{name}={value}" for name, value in fields.items()).encode(), "application/x-www-form-urlencoded"


def as_json(fields: dict) -> tuple[bytes, str]:
    return json.dumps(fields).encode(), "application/json"


def fields_of(url: str) -> dict:
    return lesion() if url == LESION_URL else {"file": picture_file(), **(FEEDBACK if "feedback" in url else {})}


def renamed(url: str, name: str) -> dict:
    fields = fields_of(url)
    return {name: fields.pop("file"), **fields}


URLS = (LESION_URL, SLICE_URL, "/feedback")
WITHOUT_FILE = {LESION_URL: LESION, SLICE_URL: {"x": "1"}, "/feedback": FEEDBACK}
WITHOUT_BOUNDARY = ("multipart/form-data", "multipart/form-data; charset=utf-8", "multipart/form-data; boundary=")
BOUNDARY_NOTE = "The boundary is missing: let your HTTP client set Content-Type itself."
JSON_NOTE = "Content-Type says JSON, which holds no file: send the file as the part `file`"
TEXT_NOTE = "The part `file` holds text, not a file: with curl, write -F file=@NAME with the @; elsewhere give"


def rows() -> Iterator[tuple[str, int, str, tuple[bytes, str]]]:
    """Yield (address, status, sentence, body) of each mistake."""
    for url in URLS:
        for content_type in WITHOUT_BOUNDARY:
            yield url, 400, BOUNDARY_NOTE, multipart(fields_of(url), content_type)
        odd = "multipart/form-data; boundary=\u00fc"
        yield url, 400, "let your HTTP client build it", multipart(fields_of(url), odd)
        yield url, 415, JSON_NOTE, as_json(LESION)
        for name in ("image_file", "image", "files[]", "Datei"):
            yield url, 400, f"The file came as `{name}`: name it `file`.", multipart(renamed(url, name))
        yield url, 400, TEXT_NOTE, multipart({**fields_of(url), "file": "scan.mha"})
        yield url, 400, "Send the file as the part `file`.", multipart(WITHOUT_FILE[url])
    for url in (LESION_URL, SLICE_URL):
        yield url, 400, "urlencoded, which holds no file: send multipart/form-data", urlencoded({"a": "1"})
    with_raw = lesion(scan_file(MHD, "a.mhd"), raw=scan_file(VOXELS, "a.raw"))
    yield LESION_URL, 400, "The file came as `raw`: name it `rawFile`.", multipart(with_raw)
    two = lesion(mask=scan_file(name="mask.mha"))
    yield LESION_URL, 400, "A .mha comes alone: leave the other files out.", multipart(two)
    # As JavaScript sends a field that was made a Blob.
    blob = lesion(coordX=scan_file(b"56.2", "blob"))
    yield LESION_URL, 400, "coordX: it came as a file; send it as a plain field", multipart(blob)
    # The names that tables of lesions, and Python's style, give the parameters.
    for sent, name in (("SeriesInstanceUID", "seriesInstanceUID"), ("coord_x", "coordX"), ("lesion_id", "lesionID")):
        fields = lesion()
        fields[sent] = fields.pop(name)
        yield LESION_URL, 400, f"{name}: it came as `{sent}`; name it `{name}`.", multipart(fields)


ROWS = list(rows())
PLACE = {"lesionID": 1, "coordX": 1.0, "coordY": 2.5, "coordZ": 3.0}
AS_IN_TABLES = {"LesionID": 1, "CoordX": 1.0, "CoordY": 2.5, "CoordZ": 3.0}
WRONG_LISTS = [
    (json.dumps([{**PLACE, "coordX": float("nan")}]), "the text holds NaN, which is not JSON"),
    (str([PLACE]), "the text is not JSON"),
    (f"[{json.dumps(PLACE)},]", "the text is not JSON"),
    ("lesionID,coordX,coordY,coordZ\n1,1.0,2.5,3.0", "the text is not JSON"),
    (json.dumps(PLACE), "lesions: send a JSON list of 1 to 100 lesions."),
    (json.dumps([{key: str(value) for key, value in PLACE.items()}]), "in digits, as a JSON number without quotes."),
    (json.dumps([{**PLACE, "coordZ": "3.0"}]), "such as -123.4, as a JSON number without quotes."),
    (json.dumps([AS_IN_TABLES]), "row 0: lesionID: it came as `LesionID`; name it `lesionID`."),
    (json.dumps([{**PLACE, "coordX": None}]), "row 0: coordX: send a finite decimal number"),
]


def batch(lesions: str) -> dict:
    return {"file": scan_file(), "seriesInstanceUID": "1.2.3", "lesions": lesions}


@pytest.mark.parametrize(("lesions", "told"), WRONG_LISTS)
def test_a_mistake_in_a_list_of_lesions_is_named(api, lesions, told):
    answer = api.post(f"{LESION_URL}/batch", batch(lesions))
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "lesions")
    assert told in answer.json()["message"]


def test_a_list_of_lesions_may_begin_with_a_byte_order_mark(api):
    assert api.post(f"{LESION_URL}/batch", batch("\ufeff" + json.dumps([PLACE]))).status_code == 200


OTHER_VOLUMES = [
    ("scan.dcm", bytes(128) + b"DICM" + bytes(600), "a DICOM file: convert the folder of all its slices"),
    ("scan.nii", bytes(344) + b"n+1\0" + bytes(600), "a NIfTI file: convert it"),
    ("scan.nrrd", b"NRRD0004\n", "an NRRD file: convert it"),
    ("scan.mha.gz", b"\x1f\x8b\x08\0", "a gzip file: unpack it"),
    ("scan.png", picture(), "a PNG picture: send the CT volume as .mha"),
    ("blob", mha(), "its name ends in .mha or .mhd"),
    ("scan.img", bytes(600), "its name ends in .mha or .mhd"),
]


@pytest.mark.parametrize(("name", "content", "told"), OTHER_VOLUMES, ids=[name for name, _, _ in OTHER_VOLUMES])
def test_a_volume_of_another_format_is_told_more_than_another_name(api, name, content, told):
    """Renamed as its ending alone suggests, it would be refused once more."""
    answer = api.post(LESION_URL, lesion(scan_file(content, name)))
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "FILE_ENDING")
    assert told in answer.json()["message"]


@pytest.mark.parametrize(("url", "status", "sentence", "body"), ROWS, ids=range(len(ROWS)))
def test_a_mistake_in_the_request_is_named_and_its_cure_works(api, folders, url, status, sentence, body):
    answer = api.generic("POST", url, body[0], content_type=body[1])
    assert (answer.status_code, answer.json()["status"]) == (status, "error")
    assert sentence in answer.json()["message"]
    assert list((folders / "uploads").iterdir()) == []
    cured = api.generic("POST", url, multipart(fields_of(url))[0], content_type=MULTIPART_CONTENT)
    assert cured.status_code == 200, cured.content


def test_a_data_file_under_its_right_name_is_taken(api):
    fields = lesion(scan_file(MHD, "a.mhd"), rawFile=scan_file(VOXELS, "a.raw"))
    assert api.post(LESION_URL, fields).status_code == 200


@pytest.mark.parametrize("name", ["<script>", "a`b", "x" * 300, "\u202efile"])
def test_a_strange_part_name_is_told_short_and_plain(api, name):
    message = api.post(SLICE_URL, {name: picture_file()}).json()["message"]
    assert message.startswith("The file came as `")
    assert len(message) < 90
    assert message.count("`") == 4
    assert "\u202e" not in message


@pytest.mark.parametrize(
    ("url", "name", "reason", "code"),
    [(LESION_URL, "scan.mha", "HEADER_FORMAT", 400), (SLICE_URL, "slice.png", "IMAGE_FORMAT", 400)],
)
def test_an_empty_file_is_called_empty(api, url, name, reason, code):
    body = lesion(scan_file(b"", name)) if url == LESION_URL else {"file": picture_file(b"", name)}
    answer = api.post(url, body)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (code, reason)
    assert "Empty file" in answer.json()["message"]


OPTIONAL = ("patientID", "studyDate", "ageAtStudyDate", "gender")


@pytest.mark.parametrize("names", [OPTIONAL, *[(name,) for name in OPTIONAL]], ids=str)
def test_an_optional_field_sent_empty_is_absent(api, names):
    """Case 30: HTML forms and form clients send every field, the unfilled ones empty."""
    assert api.post(LESION_URL, lesion(**dict.fromkeys(names, ""))).status_code == 200
    lesions = json.dumps([{"lesionID": 1, "coordX": 1, "coordY": 2, "coordZ": 3}])
    body = {"file": scan_file(), "seriesInstanceUID": "1.2.3", "lesions": lesions, **dict.fromkeys(names, "")}
    assert api.post(f"{LESION_URL}/batch", body).status_code == 200


@pytest.mark.parametrize("name", ["correct_class", "note", "confidence"])
def test_an_optional_field_of_feedback_sent_empty_is_absent(api, folders, name):
    assert api.post("/feedback", {"file": picture_file(), **FEEDBACK, name: ""}).status_code == 200


def test_bearer_in_lower_case_and_a_file_name_in_its_long_form_are_taken(api, token):
    """Case 32: jazzband/djangorestframework-simplejwt#908, psf/requests#4652."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in LESION.items()
    ]
    head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename*=utf-8''sc%C3%A4n.mha\r\n\r\n"
    body = "".join(parts).encode() + head.encode() + mha() + b"\r\n--x--\r\n"
    api.credentials(HTTP_AUTHORIZATION=f"bearer {token}")
    answer = api.generic("POST", LESION_URL, body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 200


# Header lines of cases 03 to 07 of other people's files, with their public reports.
HEADERS = {
    "03 SimpleITK/SimpleITK#2082": (200, mha(**{"0010|0010": "Ex\u00eample^\u00c4nne"})),
    "04 IFL-CAMP/supra#18": (200, mha(ElementByteOrderMSB="False")),
    "06 ITK#5340, MET_LONG": (200, mha(VOXELS * 2, ElementType="MET_LONG")),
    "06 medInria#1159, MET_LONG_LONG": (400, mha(VOXELS * 4, ElementType="MET_LONG_LONG")),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_scan_of_a_public_report_gets_its_right_answer(api, name):
    status, content = HEADERS[name]
    answer = api.post(LESION_URL, lesion(scan_file(content)))
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["details"]["reason"] == "HEADER_TYPE"
        assert "convert the voxels, best to MET_SHORT" in answer.json()["message"]


def post_mhd(api, header: bytes, raw: bytes = VOXELS):
    return api.post(LESION_URL, lesion(scan_file(header, "scan.mhd"), rawFile=scan_file(raw, "scan.raw")))


def test_lines_after_the_data_file_are_passed_over(api):
    """Case 05: DIAGNijmegen/rse-grand-challenge#1229."""
    assert post_mhd(api, MHD + b"PatientID = 90001\nPatientName = Example\nStudyTime = 101500\n").status_code == 200


def test_a_header_before_the_voxels_is_refused_by_its_name(api):
    """Case 07: BioMedIA/deepali#148."""
    header = mha(b"", HeaderSize="-1", ElementDataFile="scan.raw")
    answer = post_mhd(api, header, bytes(128) + VOXELS)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_FILE_FORMAT")
    assert "HeaderSize" in answer.json()["message"]


def test_a_picture_of_a_camera_is_classified_and_one_of_12_bits_is_named(api):
    """Cases 18 and 20."""
    from inference.tests.ct.test_foreign_files import FILES

    photo = picture_file((FILES / "case-18-mpo.jpg").read_bytes(), "photo.jpg")
    assert api.post(SLICE_URL, {"file": photo}).status_code == 200
    answer = api.post(SLICE_URL, {"file": picture_file((FILES / "case-20-12-bit.jpg").read_bytes(), "slice.jpg")})
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "IMAGE_MODE")
    assert "a JPEG of 12 bits" in answer.json()["message"]
