"""The engine by its command line gives a container the very sandbox that the gateway of the workers gives."""

import json
import tarfile

import pytest

from submissions.runner.base import AttemptTaken, ContainerFault, EngineFault, Limits
from submissions.runner.engine.cli import CommandLineEngine, require_program
from submissions.runner.engine.cli_options import create_arguments
from submissions.runner.engine.passwd_check import GO_DIRECTORY, GO_NO_FILE, GO_SYMLINK
from submissions.runner.sandbox import Labels, driver_spec, holder_spec, model_spec
from submissions.runner.values import Bind, OutputVolume

pytestmark = pytest.mark.engine


@pytest.fixture
def cli():
    engine = CommandLineEngine()
    yield engine
    engine.close()


@pytest.fixture
def labels(bench):
    return Labels(bench.host.prefix, bench.instance, "cli", 1, 0)


def created(engine, spec, bench):
    """Return what the engine says of a container made from `spec`, and take it away."""
    container_id = engine.create(spec)
    response = bench.engine.inspect(container_id)
    bench.engine.remove(container_id)
    return response


# Their order differs, and docker-py writes some empty values where the command line writes none.
def comparable(response):
    facts = {name: value for name, value in response["HostConfig"].items() if value not in (None, "", [], {}, 0, False)}
    for mount in facts.get("Mounts", ()):
        mount.get("VolumeOptions", {}).pop("DriverConfig", None)
    for name in ("Mounts", "Ulimits"):
        facts[name] = sorted(str(sorted(each.items())) for each in facts.get(name, ()))
    facts["SecurityOpt"] = [_parsed(option) for option in facts["SecurityOpt"]]
    facts.pop("ConsoleSize", None)
    # The command line resolves the holder's name to its id.
    facts["NetworkMode"] = facts["NetworkMode"].partition(":")[0]
    config = {name: response["Config"].get(name) for name in ("User", "Cmd", "Healthcheck", "Labels")}
    return facts, config, sorted(response["Config"]["Env"])


def _parsed(option):
    """Return a seccomp profile as a value: the command line writes its JSON anew."""
    return json.loads(option.partition("=")[2]) if option.startswith("seccomp={") else option


def test_each_container_of_an_attempt_is_the_same_by_both(bench, cli, labels):
    image = bench.engine.image(bench.host.driver_image)
    bench.folder.joinpath("in, here").mkdir(exist_ok=True)
    output = OutputVolume(f"{bench.instance}-output", "/output", read_only=False)
    cli.create_volume(output, labels.of("output"), 16, 100)
    holder = holder_spec(labels, bench.host.driver_image)
    assert comparable(created(cli, holder, bench)) == comparable(created(bench.engine, holder, bench))
    holder_id = bench.engine.create(holder)
    bind = Bind(str(bench.folder / "in, here"), "/input")
    specs = [
        model_spec(labels, image, Limits(cpus=1.0), binds=(bind,), volumes=(output,)),
        driver_spec(labels, bench.host.driver_image, str(bench.folder), str(bench.folder)),
    ]
    for spec in specs:
        assert comparable(created(cli, spec, bench)) == comparable(created(bench.engine, spec, bench))
    bench.engine.remove(holder_id)
    cli.remove_volume(output.name)
    assert bench.left_behind() == []


def test_a_name_that_is_taken_and_an_image_that_is_not_there(bench, cli, labels):
    holder = holder_spec(labels, bench.host.driver_image)
    container_id = cli.create(holder)
    with pytest.raises(AttemptTaken):
        cli.create(holder)
    cli.remove(container_id)
    cli.remove(container_id)  # gone already, which is fine
    assert cli.image("luna-nothing:1") is None
    with pytest.raises(EngineFault):
        cli.create(holder_spec(labels, "luna-nothing:1"))


def test_links_and_pipes_in_an_image_are_seen_without_opening_them(bench, cli, labels):
    container_id = bench.engine.create(holder_spec(labels, bench.host.driver_image))
    for path in ("/app/run.py", "/app", "/nowhere", "/etc/mtab"):
        mode, target = bench.engine.stat(container_id, path)
        seen, leads_to = cli.stat(container_id, path)
        kinds = GO_SYMLINK | GO_NO_FILE | GO_DIRECTORY
        assert (seen & kinds, bool(seen), leads_to) == (mode & kinds, bool(mode), target), path
    cli.remove(container_id)


def test_an_archive_is_read_up_to_its_limit(bench, cli, labels):
    container_id = cli.create(holder_spec(labels, bench.host.driver_image))
    assert isinstance(cli.read_archive(container_id, "/app", 1 << 20), tarfile.TarFile)
    assert cli.read_archive(container_id, "/nowhere", 1 << 20) is None
    with pytest.raises(ContainerFault, match="OUTPUT_TOO_LARGE"):
        cli.read_archive(container_id, "/usr", 1 << 16)
    cli.remove(container_id)


def test_no_engine_is_told():
    with pytest.raises(EngineFault):
        require_program("no-such-program")


def test_an_option_that_is_not_known_weakens_no_sandbox(tmp_path):
    with pytest.raises(KeyError):
        create_arguments({"something_new": True}, tmp_path)
