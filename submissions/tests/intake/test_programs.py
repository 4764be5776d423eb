"""The program that an image starts must be built for x86-64, whatever its config says."""

import gzip
import io
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from submissions.intake.image.layer import programs
from submissions.tests.image_archives import Member, code_of, config, docker_archive, scan, tar

ARM64, X86, RISCV = 183, 62, 243


def elf(machine: int, *, big: bool = False) -> bytes:
    """Return the head of an ELF executable and some bytes."""
    order = "big" if big else "little"
    ident = b"\x7fELF" + bytes([2, 2 if big else 1, 1, 0]) + bytes(8)
    return ident + (2).to_bytes(2, order) + machine.to_bytes(2, order) + bytes(1000)


def program(name: str, data: bytes, mode: int = 0o755) -> Member:
    return Member(name, data, {"mode": mode})


def link(name: str, target: str) -> Member:
    return Member(name, header={"type": tarfile.SYMTYPE, "linkname": target})


def image(*layers: list[Member], **requested: Any) -> bytes:
    packed = [tar(members) for members in layers]
    return docker_archive(packed, image=config(packed, **requested))


def debian(machine: int) -> list[Member]:
    """Return the programs of a base image where /bin is a link into /usr."""
    return [
        link("bin", "usr/bin"),
        link("usr/bin/sh", "dash"),
        program("usr/bin/dash", elf(machine)),
        link("usr/local/bin/python", "python3"),
        link("usr/local/bin/python3", "/usr/local/bin/python3.11"),
        program("usr/local/bin/python3.11", elf(machine)),
    ]


@pytest.mark.parametrize(
    "command",
    [
        {"Cmd": ["python", "/app/model.py"]},
        {"Entrypoint": ["/usr/local/bin/python3"], "Cmd": ["x.py"]},
        {"Cmd": ["/bin/sh", "-c", "python x.py"]},
        {"Entrypoint": ["./run.sh"], "WorkingDir": "/app"},
    ],
)
def test_an_image_of_another_machine_is_refused_whatever_it_says(command: dict[str, Any]):
    script = [program("app/run.sh", b"#!/bin/sh\nexec python x.py\n")]

    assert code_of(image(debian(ARM64), script, **command)) == "IMAGE_ARCHITECTURE"
    assert scan(image(debian(X86), script, **command))


def test_the_topmost_file_counts():
    fixed = [program("usr/local/bin/python3.11", elf(X86))]
    broken = [program("usr/local/bin/python3.11", elf(ARM64))]

    assert scan(image(debian(ARM64), fixed, Cmd=["python", "x.py"]))
    assert code_of(image(debian(X86), broken, Cmd=["python", "x.py"])) == "IMAGE_ARCHITECTURE"


def test_a_foreign_program_that_is_not_started_is_nobodys_business():
    assert scan(image(debian(X86), [program("opt/arm/tool", elf(RISCV))], Cmd=["python", "x.py"]))


@pytest.mark.parametrize(
    "members",
    [
        [program("usr/local/bin/python", elf(3))],  # 32-bit x86 runs on x86-64
        [program("usr/local/bin/python", b"\x7fELF")],  # too short to tell
        [program("usr/local/bin/python", elf(ARM64), mode=0o644)],  # not executable
        [link("usr/local/bin/python", "python3"), link("usr/local/bin/python3", "python")],
        [link("usr/local/bin/python", "../../../../../../x")],
        [],
    ],
)
def test_what_is_unknown_is_taken(members: list[Member]):
    assert scan(image([Member("x"), *members], Cmd=["python", "x.py"]))


def test_a_big_endian_machine_is_named(tmp_path: Path):
    from submissions.faults import ParticipantError

    with pytest.raises(ParticipantError, match="s390x"):
        scan(image([program("bin/app", elf(22, big=True))], Entrypoint=["/bin/app"]))


def test_long_names_of_every_tar_dialect_are_read():
    deep = "opt/" + "d" * 120 + "/bin/server"
    for dialect in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        packed = [tar([program(deep, elf(ARM64))], dialect)]
        data = docker_archive(packed, image=config(packed, Entrypoint=["/" + deep]))
        assert code_of(data) == "IMAGE_ARCHITECTURE"


def test_records_are_bounded_and_then_nothing_is_judged(monkeypatch):
    monkeypatch.setattr(programs.RecordBudget.__init__, "__defaults__", (5,))
    assert scan(image(debian(ARM64), Cmd=["python", "x.py"]))


def test_real_programs_of_this_machine_are_x86():
    shell = Path(shutil.which("sh") or "/bin/sh").resolve().read_bytes()
    packed = [tar([program("bin/sh", shell)])]
    stored = [gzip.compress(packed[0])]
    assert scan(docker_archive(packed, stored=stored, image=config(packed, Cmd=["/bin/sh"])))
    assert programs.machine_of(shell[:20]) == programs.X86_64
    assert io.BytesIO(shell).read(4) == b"\x7fELF"
