"""The gateway to files, local and on a real S3 server: rows F15, F16, F20, A24, threats T42–T44."""

import errno
import hashlib
import io
import os
import socket
import time
import tracemalloc
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from minio.error import S3Error

from submissions.storage import buckets
from submissions.storage import files as storage
from submissions.storage.base import MissingFile, PartsRef, StorageError
from submissions.tests.stores import use_s3

PART = 5 << 20  # the smallest S3 takes for any part but the last


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def contents(key: str) -> bytes:
    with storage.store().pieces(key) as pieces:
        return b"".join(pieces)


def pieces_of(data: bytes, size: int = 1 << 20):
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [0, 1, 100_000, (8 << 20) - 1, 8 << 20, (25 << 20) + 7])
def test_what_goes_in_comes_out_with_its_digest(anywhere, tmp_path: Path, size: int):
    data = os.urandom(size)
    key = storage.new_key("image.tar")

    stored = storage.stream_in(key, pieces_of(data))
    fetched = storage.fetch_to(tmp_path / "copy", key, sha256=stored.sha256)

    assert (stored.sha256, stored.size_bytes) == (sha256(data), size)
    assert fetched == stored == storage.digest_of(key)
    assert (tmp_path / "copy").read_bytes() == data
    assert storage.head_of(key, 512) == data[:512]


def test_a_file_that_was_swapped_is_noticed(anywhere, tmp_path: Path):
    key = storage.new_key("image.tar")
    storage.stream_in(key, [b"something else"])

    with pytest.raises(StorageError, match="not what was uploaded"):
        storage.fetch_to(tmp_path / "copy", key, sha256=sha256(b"original"))


def test_a_missing_file_is_ours_to_explain(anywhere, tmp_path: Path):
    with pytest.raises(MissingFile) as caught:
        storage.fetch_to(tmp_path / "copy", storage.new_key("image.tar"))
    assert caught.value.code == "SYSTEM_STORAGE"


def test_deleting_twice_is_harmless(anywhere):
    key = storage.new_key("image.tar")
    storage.stream_in(key, [b"x"])

    storage.delete(key)
    storage.delete(key)

    with pytest.raises(MissingFile):
        contents(key)


def leftovers(where: str, settings) -> list[object]:
    if where == "s3":
        from django.core.files.storage import default_storage

        client = default_storage.connection.meta.client
        bucket = settings.MINIO_SUBMISSIONS_BUCKET
        uploads = client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return [*client.list_objects_v2(Bucket=bucket).get("Contents", []), *uploads]
    root = Path(settings.STORAGES["default"]["OPTIONS"]["location"])
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_an_upload_that_breaks_off_leaves_nothing(anywhere, settings):
    def breaking():
        yield os.urandom(20 << 20)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        storage.stream_in(storage.new_key("image.tar"), breaking())

    assert leftovers(anywhere, settings) == []


@pytest.mark.slow
def test_memory_stays_flat_both_ways(anywhere, tmp_path: Path):
    piece = os.urandom(1 << 20)
    key = storage.new_key("image.tar")
    tracemalloc.start()

    storage.stream_in(key, (piece for _ in range(128)))
    storage.fetch_to(tmp_path / "copy", key)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 64 << 20


@pytest.mark.parametrize("name", ["../../x", "a\0b", "CON", "x" * 4096, "\u202egpj.tar", "🙂"])
def test_keys_are_ours_whatever_the_file_is_called(name: str):
    assert storage.new_key("image.tar").count("/") == 2
    assert name not in storage.new_key("image.tar")


def test_a_key_cannot_leave_the_folder():
    with pytest.raises(MissingFile):
        storage.store().local_path("../../etc/passwd")


# ---- parts


def parts_of(data: bytes) -> PartsRef:
    key = storage.new_key("image.tar")
    return PartsRef(key, storage.store().begin_parts(key), len(data), PART)


def put(parts: PartsRef, number: int, data: bytes) -> None:
    writer = storage.store().part_writer(parts, number)
    for piece in pieces_of(data):
        writer.write(piece)
    writer.finish()


def part(data: bytes, number: int) -> bytes:
    return data[(number - 1) * PART : number * PART]


def test_parts_join_in_their_order_whatever_order_they_came_in(anywhere):
    data = os.urandom(2 * PART + 1000)
    parts = parts_of(data)

    for number in (3, 1, 2, 1):
        put(parts, number, part(data, number))
    storage.store().join(parts)

    assert storage.digest_of(parts.key).sha256 == sha256(data)


def test_a_part_still_being_sent_changes_nothing_once_they_are_joined(settings):
    data = os.urandom(2 << 20)
    parts = parts_of(data)
    late = storage.store().part_writer(parts, 1)
    late.write(data[: 1 << 20])
    put(parts, 1, data)
    storage.store().join(parts)

    with pytest.raises(MissingFile):
        late.write(b"something else")
    late.abort()

    assert storage.digest_of(parts.key).sha256 == sha256(data)


def test_received_parts_are_known_to_a_fresh_process(anywhere):
    data = os.urandom(2 * PART + 1000)
    parts = parts_of(data)
    put(parts, 3, part(data, 3))

    again = PartsRef(parts.key, parts.handle, parts.size_bytes, parts.part_bytes)
    assert storage.store().received(again) == {3}
    with pytest.raises(MissingFile):
        storage.store().join(again)


def test_dropped_parts_are_gone(anywhere, settings):
    data = os.urandom(PART + 1)
    parts = parts_of(data)
    put(parts, 1, part(data, 1))

    storage.store().drop_parts(parts)
    storage.store().drop_parts(parts)

    assert leftovers(anywhere, settings) == []


@pytest.mark.slow
def test_unfinished_files_go_by_age(anywhere, settings):
    parts = parts_of(os.urandom(PART + 1))
    put(parts, 2, b"x")

    assert storage.store().drop_older_than(3600) == 0
    time.sleep(1.1)  # S3 counts whole seconds
    assert storage.store().drop_older_than(0) == 1
    assert leftovers(anywhere, settings) == []


# ---- addresses


def fetch(url: str, method: str = "GET", data: bytes | None = None, **headers: str):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_a_local_address_serves_an_attachment_nobody_renders(client: Client):
    key = storage.new_key("image.tar")
    storage.stream_in(key, [b"<script>alert(1)</script>"])

    answer = client.get(storage.url_for(key, 'we"ird\n.html'))

    assert b"".join(answer.streaming_content) == b"<script>alert(1)</script>"
    assert answer["Content-Disposition"].startswith("attachment")
    assert "\n" not in answer["Content-Disposition"]
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.django_db  # the page of an error has the site's navigation
def test_a_local_address_runs_out_and_cannot_be_changed(client: Client):
    key = storage.new_key("image.tar")
    storage.stream_in(key, [b"x"])
    store = storage.store()

    assert client.get(store.url(key, "x", 60)).status_code == 200
    assert client.get(store.url(key, "x", -1)).status_code == 404
    assert client.get(store.url(key, "x", 60)[:-3] + "abc").status_code == 404
    assert client.get(store.url(storage.new_key("image.tar"), "x", 60)).status_code == 404
    assert client.get(store.url("../../etc/passwd", "x", 60)).status_code == 404


@pytest.mark.s3
def test_the_test_server_holds_the_buckets_of_many_tests_at_once(settings):
    """Five passes use it at the same time; by SeaweedFS's defaults it had no place for a 21st bucket on 150 GB."""
    use_s3(settings)
    minio = buckets.client(settings.MINIO)
    names = [f"many-{number}-{os.urandom(4).hex()}" for number in range(24)]
    try:
        for name in names:
            minio.make_bucket(name)
            minio.put_object(name, "x", io.BytesIO(b"x"), 1)
    finally:
        for name in filter(minio.bucket_exists, names):
            minio.remove_object(name, "x")
            minio.remove_bucket(name)


@pytest.mark.s3
def test_a_presigned_address_serves_an_attachment_for_a_while(on_s3):
    key = storage.new_key("image.tar")
    storage.stream_in(key, [b"<script>"])

    status, headers, body = fetch(storage.url_for(key, "x.html"))
    assert (status, body) == (200, b"<script>")
    assert headers["Content-Disposition"] == 'attachment; filename="x.html"'
    assert headers["Content-Type"] == "application/octet-stream"
    short = storage.store().url(key, "x.html", 1)
    time.sleep(2.1)
    assert fetch(short)[0] == 403
    assert fetch(storage.url_for(key, "x").replace(key, storage.new_key("image.tar")))[0] == 403


@pytest.mark.s3
def test_a_part_address_is_good_for_its_own_part_only(on_s3):
    data = os.urandom(PART + 10)
    parts = parts_of(data)
    url = storage.store().part_url(parts, 2, 900)

    assert fetch(url, "PUT", b"0123456789")[0] == 200
    assert storage.store().received(parts) == {2}
    assert fetch(url, "PUT", b"x" * 1000)[0] == 403
    assert fetch(url.replace("partNumber=2", "partNumber=1"), "PUT", b"0123456789")[0] == 403
    assert fetch(url.replace("image.tar", "other.tar"), "PUT", b"0123456789")[0] == 403


@pytest.mark.s3
def test_pages_of_this_site_may_put_parts_and_no_others(on_s3):
    url = storage.store().part_url(parts_of(os.urandom(PART + 10)), 2, 900)

    ours = fetch(url, "OPTIONS", Origin=on_s3.SITE_URL, Access_Control_Request_Method="PUT")
    other = fetch(url, "OPTIONS", Origin="https://evil.example", Access_Control_Request_Method="PUT")

    assert ours[1].get("Access-Control-Allow-Origin") in (on_s3.SITE_URL, "*")
    assert "PUT" in ours[1].get("Access-Control-Allow-Methods", "")
    assert other[1].get("Access-Control-Allow-Origin") is None


@pytest.mark.s3
def test_addresses_name_the_public_endpoint(on_s3):
    from submissions.storage.address import parse_address

    on_s3.MINIO_PUBLIC = parse_address("MINIO_PUBLIC_ENDPOINT", "https://files.example.org", True)

    assert storage.url_for("submissions/x/image.tar", "x").startswith("https://files.example.org/submissions-")


def test_each_signature_is_for_the_region_of_the_server(settings):
    settings.MINIO_REGION = "fr-par"
    use_s3(settings, "http://127.0.0.1:9", "secret")
    assert "%2Ffr-par%2Fs3%2Faws4_request" in storage.url_for("submissions/x/image.tar", "x")
    signed = buckets.client(settings.MINIO).presigned_get_object("submissions", "x")
    assert "%2Ffr-par%2Fs3%2Faws4_request" in signed


def test_a_server_in_another_region_is_told_by_its_setting():
    codes = ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
    for code in codes:
        assert "MINIO_REGION" in buckets.reason(S3Error(None, code, "wrong", "/", "1", "2"))


@pytest.mark.s3
def test_nobody_lists_or_reads_without_a_key(on_s3):
    key = storage.new_key("image.tar")
    storage.stream_in(key, [b"x"])
    bucket = f"{on_s3.MINIO.url}/{on_s3.MINIO_SUBMISSIONS_BUCKET}"

    assert fetch(bucket)[0] == 403
    assert fetch(f"{bucket}/{key}")[0] == 403


@pytest.mark.s3
def test_provisioning_again_changes_nothing(on_s3, capsys):
    call_command("provision_storage")

    assert "there already, private" in capsys.readouterr().out


@pytest.mark.s3
def test_the_check_asks_for_the_buckets(on_s3):
    assert buckets.problem() == ""
    there = on_s3.MINIO_DATASETS_BUCKET
    on_s3.MINIO_DATASETS_BUCKET = "not-there"
    assert "1 of 2 buckets missing" in buckets.problem()
    on_s3.MINIO_DATASETS_BUCKET = there
    key, on_s3.MINIO_SECRET_KEY = on_s3.MINIO_SECRET_KEY, "wrong-secret-value"
    assert "MINIO_SECRET_KEY" in buckets.problem()
    on_s3.MINIO_SECRET_KEY = key


def test_a_site_without_a_server_has_no_problem_with_it(settings):
    assert settings.MINIO is None
    assert buckets.problem() == ""


@pytest.mark.slow
def test_provisioning_without_a_server_makes_folders(own_files):
    call_command("provision_storage", verbosity=0)

    assert (own_files / "files").is_dir()


# ---- faults


@pytest.mark.slow
def test_a_server_that_is_down_is_named_by_its_setting(settings, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        use_s3(settings, f"http://127.0.0.1:{taken.getsockname()[1]}")

        with pytest.raises(StorageError, match="MINIO_ENDPOINT") as caught:
            storage.stream_in(storage.new_key("image.tar"), [b"x"])
        with pytest.raises(StorageError, match="MINIO_ENDPOINT"):
            storage.fetch_to(tmp_path / "x", "submissions/x/image.tar")
        with pytest.raises(CommandError, match="MINIO_ENDPOINT"):
            call_command("provision_storage")
        assert "MINIO_ENDPOINT" in buckets.problem()

    assert caught.value.status_code == 503


@pytest.mark.s3
def test_a_refused_key_is_named_by_its_setting_never_by_its_value(settings):
    use_s3(settings, secret="wrong-secret-value")

    with pytest.raises(StorageError, match="MINIO_SECRET_KEY") as caught:
        storage.stream_in(storage.new_key("image.tar"), [b"x"])
    with pytest.raises(CommandError, match="MINIO_SECRET_KEY") as provisioning:
        call_command("provision_storage")

    assert "wrong-secret-value" not in str(caught.value) + str(provisioning.value)


def test_a_full_disk_has_a_code_of_its_own_and_leaves_nothing(settings, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("submissions.storage.local.os.write", full)

    with pytest.raises(StorageError) as caught:
        storage.stream_in(storage.new_key("image.tar"), [b"x"])

    assert (caught.value.code, caught.value.status_code) == ("SYSTEM_DISK", 507)
    assert leftovers("local", settings) == []
