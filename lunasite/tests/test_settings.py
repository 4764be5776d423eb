"""A wrong setting stops the start with its name; a good one gives a safe site (F28, T53, T54)."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from lunasite import files_at_rest
from lunasite.env import Env
from submissions.storage.address import parse_address

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path, *command, **variables):
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), **variables}
    return subprocess.run(
        [sys.executable, "manage.py", *(command or ("check",))], cwd=ROOT, env=env, capture_output=True, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("SECRET_KEY", {"SECRET_KEY": "short"}),
        ("SECRET_KEY", {"SECRET_KEY": "a" * 50}),
        ("METRICS_TOKEN", {"METRICS_TOKEN": "a"}),
        ("MODEL_SERVER_TOKEN", {"MODEL_SERVER_TOKEN": "a"}),
        ("RECORD_SIGNING_KEY", {"RECORD_SIGNING_KEY": "A" * 43}),
        ("REDIS_URL", {"REDIS_URL": "redis://cache:99999/0"}),
        ("MINIO_DATASETS_BUCKET", {"MINIO_DATASETS_BUCKET": "My_Bucket"}),
        ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": "*"}),
        ("DEBUG", {"DEBUG": "1", "SITE_URL": "https://example.org"}),
        ("DEBUG", {"DEBUG": "perhaps"}),
        ("EVALUATION_MEMORY", {"EVALUATION_MEMORY": "lots"}),
        ("MINIO_ENDPOINT", {"MINIO_ENDPOINT": "ftp://x"}),
        ("MINIO_ACCESS_KEY", {"MINIO_ENDPOINT": "x:9000"}),
        ("LOG_LEVEL", {"LOG_LEVEL": "loud"}),
        ("DATABASE_URL", {"DATABASE_URL": "foo"}),
        ("SENTRY_DSN", {"SENTRY_DSN": "foo"}),
        ("SITE_URL", {"SITE_URL": "example.org"}),
        ("THROTTLE_LESION", {"THROTTLE_LESION": "fast"}),
        ("IMAGE_REGISTRIES", {"IMAGE_REGISTRIES": "https://registry.example.org"}),
    ],
)
def test_a_bad_setting_stops_the_start_with_its_name(tmp_path, name, variables):
    done = start(tmp_path, **variables)
    assert done.returncode != 0
    assert name in done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_an_https_site_has_no_deploy_warnings(tmp_path):
    done = start(tmp_path, "check", "--deploy", "--fail-level", "WARNING", SITE_URL="https://example.org")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_site_at_an_ipv6_address_answers_there_and_sends_mail(tmp_path):
    asks = (
        "from django.conf import settings; from django.core.mail.message import sanitize_address as read; "
        "from django.test import RequestFactory as Ask; "
        "print(*(Ask().get('/', HTTP_HOST=name).get_host() for name in ('[2001:db8::5]:8000', '[fd00::7]:8000')), "
        "read(settings.DEFAULT_FROM_EMAIL, 'utf-8'))"
    )
    hosts = {"SITE_URL": "http://[2001:db8::5]:8000", "INTERNAL_HOSTS": "web,fd00:0::7"}
    done = start(tmp_path, "shell", "--no-imports", "-c", asks, **hosts)
    assert done.stdout.split() == ["[2001:db8::5]:8000", "[fd00::7]:8000", "lunasite@[IPv6:2001:db8::5]"], done.stderr


@pytest.mark.slow
def test_the_database_lies_in_its_folder_whatever_that_is_called(tmp_path):
    folder = tmp_path / "Case #7? 100%25 of größe"
    asks = "from django.db import connection as it; it.ensure_connection(); print(it.settings_dict['NAME'])"
    done = start(tmp_path, "shell", "--no-imports", "-c", asks, DATA_DIR=str(folder), PYTHONUTF8="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "lunasite.sqlite3")
    assert (folder / "lunasite.sqlite3").exists()


@pytest.mark.slow
def test_a_random_secret_key_is_kept_for_the_next_start(tmp_path):
    for _ in range(2):
        assert start(tmp_path).returncode == 0
    for name, least in (("secret_key", 64), ("record_signing_key", 43)):
        key = tmp_path / name
        assert len(key.read_text()) >= least
        assert key.stat().st_mode & 0o077 == 0


def test_a_key_is_read_in_either_alphabet_of_base64():
    seed = b"\xfb\xff" * 8 + bytes(range(16))
    given = base64.b64encode(seed).decode()
    assert Env({"X": given}).key("X") == base64.urlsafe_b64encode(seed).decode().rstrip("=")
    assert Env({"X": f"{given}, {given}"}).keys("X") == [Env({"X": given}).key("X")] * 2
    assert Env({}).key("X") == ""


@pytest.mark.parametrize("text", ["short", "x" * 44, "=" * 43, base64.b64encode(bytes(31)).decode(), "ü" * 43])
def test_a_key_of_another_length_stops_the_start(text):
    with pytest.raises(ImproperlyConfigured, match="X must be 32 bytes"):
        Env({"X": text}).key("X")


@pytest.mark.parametrize("text", ["A" * 43, "AB" * 21 + "A", base64.b64encode(bytes(32)).decode()])
def test_a_signing_key_that_can_be_guessed_stops_the_start(text):
    """With it anybody could sign records in the site's name."""
    with pytest.raises(ImproperlyConfigured, match="X is too easy to guess"):
        Env({"X": text}).key("X")


@pytest.mark.parametrize("text", ["redis://cache", "rediss://:word@cache:6380/1", "unix:///run/redis.sock"])
def test_an_address_of_redis_is_taken(text):
    assert Env({"X": text}).redis("X") == text


@pytest.mark.parametrize(
    ("text", "megabytes"), [("512m", 512), ("4g", 4096), ("4GB", 4096), ("2GiB", 2048), ("300", 300)]
)
def test_sizes_are_read(text, megabytes):
    assert Env({"X": text}).megabytes("X", "1g") == megabytes


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_variable_counts_as_not_set(text):
    assert Env({"X": text}).whole("X", 7) == 7


@pytest.mark.parametrize(
    ("read", "text"),
    [
        ("flag", "maybe"),
        ("whole", "1.5"),
        ("whole", "-1"),
        ("whole", "--5"),
        ("whole", "1_0"),
        ("number", "nan"),
        ("number", "x"),
        ("number", "1_0"),
        ("megabytes", "0"),
        ("rate", "fast"),
        ("rate", "0/min"),
        ("rate", "5"),
        ("url", "example.org"),
        ("url", "ftp://example.org"),
        ("url", "https://"),
        ("database", "foo"),
        ("database", "postgres://u:p@h:port/d"),
        ("redis", "cache:6379"),
        ("redis", "redis://:secret@cache:99999/0"),
        ("redis", "redis://"),
        ("redis", "unix:"),
        ("label", "Site"),
        ("label", "a_b"),
        ("label", "a" * 41),
        ("label", "-a"),
    ],
)
def test_a_wrong_value_is_named(read, text):
    arguments = {"whole": (1,), "number": (1.0,), "flag": (), "redis": ()}.get(read, ("",))
    with pytest.raises(ImproperlyConfigured, match="X must") as refused:
        getattr(Env({"X": text}), read)("X", *arguments)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "secure", "url"),
    [
        ("minio:9000", False, "http://minio:9000"),
        ("minio:9000", True, "https://minio:9000"),
        ("http://minio:9000", True, "http://minio:9000"),
        ("https://s3.example.org", False, "https://s3.example.org"),
        ("https://s3.example.org/", False, "https://s3.example.org"),
    ],
)
def test_an_endpoint_with_a_scheme_sets_secure(text, secure, url):
    assert parse_address("MINIO_ENDPOINT", text, secure).url == url


def test_no_endpoint_means_local_files():
    assert parse_address("MINIO_ENDPOINT", "", False) is None


@pytest.mark.slow
def test_anybody_may_read_collected_static_files(tmp_path):
    """In the image root collects them and another user serves them."""
    done = start(tmp_path, "collectstatic", "--noinput", STATIC_ROOT=str(tmp_path / "static"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "static" / "staticfiles.json").is_file()
    for path in (tmp_path / "static").rglob("*"):
        assert path.stat().st_mode & 0o005 == (0o005 if path.is_dir() else 0o004), path


def test_a_secret_is_read_from_the_file_that_its_variable_names(tmp_path):
    (tmp_path / "key").write_text(" s3cret \n")
    assert Env({"METRICS_TOKEN_FILE": str(tmp_path / "key")}).text("METRICS_TOKEN") == "s3cret"


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"METRICS_TOKEN_FILE": "/nowhere/key"}, "METRICS_TOKEN_FILE: /nowhere/key cannot be read"),
        ({"METRICS_TOKEN_FILE": "/nowhere/key", "METRICS_TOKEN": "a"}, "METRICS_TOKEN or METRICS_TOKEN_FILE, not both"),
    ],
)
def test_a_secret_s_file_that_cannot_be_read_stops_the_start(variables, reason):
    with pytest.raises(ImproperlyConfigured, match=reason):
        Env(variables).text("METRICS_TOKEN")


def test_a_database_password_of_its_own_may_hold_any_character():
    entry = Env({}).database("DATABASE_URL", "postgres://site@db:5432/site", "p@ss:w/o#r?d%")
    assert (entry["USER"], entry["HOST"], entry["PASSWORD"]) == ("site", "db", "p@ss:w/o#r?d%")


def test_an_address_with_an_unquoted_password_names_the_remedy():
    with pytest.raises(ImproperlyConfigured, match=r"percent-encode .* or set DATABASE_PASSWORD"):
        Env({"DATABASE_URL": "postgres://site:p@ss:w/o#rd@db:5432/site"}).database("DATABASE_URL", "")


@pytest.mark.parametrize("text", ["short", "a" * 50, "abababab" * 10, "1" * 39 + "2"])
def test_a_secret_that_can_be_guessed_is_refused(text):
    with pytest.raises(ImproperlyConfigured, match=r"^SECRET_KEY is too easy to guess"):
        Env({"SECRET_KEY": text}).secret("SECRET_KEY", least=40)


def test_a_good_secret_and_none_are_taken():
    assert Env({"T": "R3k0lOeN0aTf6a-4"}).secret("T", least=16) == "R3k0lOeN0aTf6a-4"
    assert Env({}).secret("T", least=16) == ""


@pytest.mark.parametrize(
    "text", ["ab", "a" * 64, "My", "a_b", "-ab", "ab-", "a..b", "a/b", "submissions "[::-1] + "!", "10.0.0.1"]
)
def test_a_name_that_no_server_takes_for_a_bucket_is_refused(text):
    with pytest.raises(ImproperlyConfigured, match=r"^BUCKET must be 3 to 63"):
        Env({"BUCKET": text}).bucket("BUCKET", "submissions")


@pytest.mark.parametrize("port", ["0", "65536", "99999", "-1", "x"])
def test_a_port_that_cannot_be_is_refused_by_name(port):
    for read in (
        lambda env: env.url("A"),
        lambda env: env.hosts("A"),
        lambda env: parse_address("A", env.text("A"), False),
    ):
        for address in (f"http://example.org:{port}", f"example.org:{port}"):
            with pytest.raises(ImproperlyConfigured, match=r"^A must"):
                read(Env({"A": address}))


def test_what_others_may_read_is_told(tmp_path, caplog):
    (tmp_path / "mail").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    (tmp_path / "mail").chmod(0o755)
    assert files_at_rest.wider_rights(tmp_path) == ["DATA_DIR", "mail"]
    files_at_rest.tell_wider_rights(tmp_path)
    assert "chmod -R go-rwx" in caplog.text
    tmp_path.chmod(0o700)
    assert files_at_rest.wider_rights(tmp_path) == []


def test_a_folder_of_the_service_s_own_group_is_no_finding(tmp_path):
    tmp_path.chmod(0o2770)
    assert files_at_rest.wider_rights(tmp_path) == []
    tmp_path.chmod(0o2775)
    assert files_at_rest.wider_rights(tmp_path) == ["DATA_DIR"]


@pytest.mark.slow
def test_what_the_site_writes_only_the_site_can_read(tmp_path):
    data = tmp_path / "data"
    umask = os.umask(0o022)
    try:
        assert start(data, "migrate", "--verbosity=0").returncode == 0
    finally:
        os.umask(umask)
    assert data.stat().st_mode & 0o777 == 0o700
    written = list(data.rglob("*"))
    assert data / "lunasite.sqlite3" in written
    assert not [path for path in written if path.stat().st_mode & 0o077]
