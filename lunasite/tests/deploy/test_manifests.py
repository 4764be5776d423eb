"""What deploy/ holds, judged by the tools that will read it: compose, nginx, systemd, kubectl, promtool."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from botocore.utils import get_environ_proxies
from django.conf import settings

from .compose_file import ROOT, read_compose

pytestmark = [pytest.mark.deploy, pytest.mark.slow]
DEPLOY = ROOT / "deploy"


def run(*command: object, **options: object) -> str:
    """Return what a command prints. Fails with its words when it does."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def compose_folder(tmp_path: Path) -> Path:
    """The compose file as a newcomer has it after the first two of the three commands, but for its `name`.

    Debian's docker-compose 1.29 knows all of the file but that key.
    """
    text = (ROOT / "docker-compose.yml").read_text()
    (tmp_path / "docker-compose.yml").write_text(re.sub(r"^name: .*\n", "", text, flags=re.MULTILINE))
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    run(tmp_path / "deploy" / "make_secrets")
    return tmp_path


def test_compose_takes_the_file(compose_folder):
    profiles = [part for name in ("containers", "tls", "model-server", "backup") for part in ("--profile", name)]
    told = run("docker-compose", *profiles, "config", cwd=compose_folder)
    services = yaml.safe_load(told)["services"]
    site = [name for name in services if name not in ("postgres", "seaweedfs", "proxy")]
    assert {"setup", "web", "worker-evaluations", "worker-errands", "worker-containers", "model-server"} <= set(site)
    for name in site:
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name


def test_secrets_are_made_once_and_readable_by_their_folder_s_owner_only(compose_folder):
    folder = compose_folder / "secrets"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    run(compose_folder / "deploy" / "make_secrets")
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o077 == 0
    assert len({text for text in before.values() if text}) == len([text for text in before.values() if text])


def test_the_password_of_the_mail_server_can_be_written(compose_folder):
    """The owner is an ordinary user, whom a mode of 444 stops; containers read it as another one."""
    path = compose_folder / "secrets" / "email_password"
    assert path.stat().st_mode & 0o777 == 0o644
    path.write_text("secret")
    run(compose_folder / "deploy" / "make_secrets")
    assert path.read_text() == "secret"


def test_each_part_has_its_own_identity_and_only_its_rights(compose_folder):
    identities = {
        entry["name"]: entry for entry in json.loads((compose_folder / "secrets/s3.json").read_text())["identities"]
    }
    assert set(identities) == {"setup", "web", "worker", "importer"}
    assert not {"Admin", "Write:datasets"} & set(identities["worker"]["actions"])
    assert "Admin" not in identities["importer"]["actions"]
    assert "Admin" not in identities["web"]["actions"]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    owners = [name for name, service in services.items() if "postgres_owner_password" in service.get("secrets", [])]
    assert owners == ["postgres", "setup", "backup"]
    importers = [name for name, service in services.items() if "s3_importer" in service.get("secrets", [])]
    assert importers == ["worker-errands"]  # and no worker that runs participants' images
    published = {name: service["networks"] for name, service in services.items()}
    assert published["postgres"] == ["database"]
    assert "front" not in published["worker-containers"]


def test_a_proxy_that_docker_hands_to_the_containers_stands_between_none_of_them(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    for name, service in read_compose({"NO_PROXY": "s3.hospital.example"})["services"].items():
        environment = service.get("environment", {})
        if "MINIO_ENDPOINT" not in environment:
            continue
        for variable in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(variable, environment[variable])
        for url in (environment["MINIO_ENDPOINT"], "http://model-server:8500", "http://s3.hospital.example"):
            assert get_environ_proxies(url) == {}, (name, url)
        assert get_environ_proxies("http://elsewhere.example") != {}


def test_the_image_s_health_check_asks_no_proxy():
    """Docker also hands the variables to what a health check runs; a proxy knows no 127.0.0.1 of ours."""
    checks = re.findall(r"^\s+CMD (\[.*/health.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(checks) == 1

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, args=(0.01,), daemon=True).start()
        python, *words = json.loads(checks[0].replace(":8000/", f":{site.server_port}/"))
        assert python == "python"
        run(sys.executable, *words, env={"http_proxy": "http://127.0.0.1:9"})
        site.shutdown()


def test_a_restoration_with_compose_may_write_what_a_backup_holds(compose_folder):
    """The identity that makes backups reads the hidden data and cannot write them back."""
    told = (ROOT / "docs" / "outages.md").read_text().replace("\\\n", " ")
    command = re.search(r"^docker compose .* manage\.py restore .*$", told, re.MULTILINE)
    assert command is not None
    words = shlex.split(command[0])
    assert words[words.index("python") - 1] == "backup"  # whose image has pg_restore, and which mounts the backups
    given = dict(word.split("=") for word in words if word.startswith("MINIO_"))
    file = given["MINIO_SECRET_KEY_FILE"]
    assert f"$PWD/secrets/{Path(file).name}:{file}:ro" in words
    identities = json.loads((compose_folder / "secrets" / "s3.json").read_text())["identities"]
    secret = (compose_folder / "secrets" / Path(file).name).read_text()
    keys = {"accessKey": given["MINIO_ACCESS_KEY"], "secretKey": secret}
    actions = next(entry["actions"] for entry in identities if entry["credentials"] == [keys])
    for bucket in ("submissions", "datasets"):
        assert {"Write", f"Write:{bucket}"} & set(actions), bucket


def test_the_backup_service_ends_when_it_is_told_to():
    """As the first process of its container a shell ignores SIGTERM: each `docker compose down` took 40 seconds."""
    shell, flag, script = shlex.split(read_compose({})["services"]["backup"]["command"])
    assert (shell, flag) == ("sh", "-c")
    waits = re.sub(r"python manage\.py backup [^;]*;", "echo begun;", script)
    first = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", waits]
    with subprocess.Popen(first, stdout=subprocess.PIPE, text=True) as outside:
        assert outside.stdout.readline() == "begun\n"
        inside = int(Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text().split()[0])
        os.kill(inside, signal.SIGTERM)
        try:
            assert outside.wait(10) == 0
        finally:
            outside.kill()


def test_of_the_object_store_only_what_asks_for_keys_is_on_a_network():
    """Its filer gives and takes any file without one: every worker could read and change the hidden data there."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["seaweedfs"]
    options = dict(part.lstrip("-").split("=", 1) for part in service["command"].split() if "=" in part)
    assert {name: value for name, value in options.items() if name.endswith("ip.bind")} == {
        "ip.bind": "127.0.0.1",
        "s3.ip.bind": "0.0.0.0",
    }
    assert service["extra_hosts"] == [f"{options['ip']}:{options['ip.bind']}"]  # its parts call each other by that name


def test_nobody_can_call_the_store_s_own_port_beside_s3(compose_folder):
    """Whoever called it (PutIdentity) was an administrator of all buckets, without a key."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["seaweedfs"]
    names = {name: Path(path).name for name, path in service["environment"].items()}
    assert set(names) == {"WEED_GRPC_CA", "WEED_GRPC_S3_CERT", "WEED_GRPC_S3_KEY"}
    assert set(names.values()) <= set(service["secrets"])
    folder = compose_folder / "secrets"
    authority, shown = folder / names["WEED_GRPC_CA"], folder / names["WEED_GRPC_S3_CERT"]
    run("openssl", "verify", "-purpose", "sslserver", "-CAfile", authority, shown)
    with pytest.raises(AssertionError, match="unsuitable"):  # or the store's own certificate would open it
        run("openssl", "verify", "-purpose", "sslclient", "-CAfile", authority, shown)
    key_of_authority = run("openssl", "x509", "-in", authority, "-noout", "-pubkey")
    for path in folder.glob("*key*"):
        done = subprocess.run(["openssl", "pkey", "-in", path, "-pubout"], capture_output=True, text=True)
        assert done.stdout != key_of_authority, path


def test_no_secret_is_in_an_environment():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            is_secret = re.search("PASSWORD|SECRET|TOKEN|SIGNING_KEY", variable)
            assert not is_secret or str(value).startswith("/run/secrets/"), (name, variable)
    assert not re.search("(PASSWORD|SECRET_KEY|TOKEN)=", (ROOT / ".env.example").read_text())


def test_nginx_takes_its_file(tmp_path):
    text = (DEPLOY / "nginx" / "lunasite.conf.template").read_text()
    for name, value in {"SITE_HOST": "site.example", "S3_HOST": "s3.example"}.items():
        text = text.replace(f"${{{name}}}", value)
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=site.example",
        "-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem")  # fmt: skip
    text = text.replace("/etc/nginx/tls", str(tmp_path)).replace("/var/cache/nginx", str(tmp_path))
    text = text.replace("//web:", "//127.0.0.1:").replace("//seaweedfs:", "//127.0.0.1:")
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {text} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    assert "test is successful" in run("nginx", "-t", "-c", tmp_path / "nginx.conf", "-p", tmp_path)


def test_both_proxies_let_the_largest_image_pass():
    """Caddy's GB are 10^9 bytes, nginx's g and the site's are 2^30."""
    nginx = re.search(r"client_max_body_size (\d+)g;", (DEPLOY / "nginx" / "lunasite.conf.template").read_text())
    caddy = re.search(r"max_size (\d+)(GB|GiB)\n", (DEPLOY / "caddy" / "Caddyfile").read_text())
    assert int(nginx[1]) * 2**30 > settings.MAX_IMAGE_BYTES
    assert int(caddy[1]) * {"GB": 10**9, "GiB": 2**30}[caddy[2]] > settings.MAX_IMAGE_BYTES


def test_systemd_takes_its_units(tmp_path):
    units = [Path(shutil.copy(path, tmp_path)) for path in (DEPLOY / "systemd").glob("*.service")]
    assert len(units) == 2
    for unit in units:
        # Its programs lie in /opt/lunasite, which this machine has not.
        unit.write_text(re.sub(r"^ExecStart=/opt/lunasite/\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.M))
    assert run("systemd-analyze", "verify", "--man=no", *units).strip() == ""


def test_kubernetes_takes_its_manifests(tmp_path):
    rendered = tmp_path / "all.yaml"
    rendered.write_text(run("kubectl", "kustomize", DEPLOY / "kubernetes"))
    objects = list(yaml.safe_load_all(rendered.read_text()))
    wanted = {"Job", "Deployment", "DaemonSet", "NetworkPolicy", "HorizontalPodAutoscaler", "Ingress"}
    assert wanted <= {item["kind"] for item in objects}
    run(Path(shutil.which("python3") and ROOT / ".venv/bin/kubernetes-validate"), "--strict", rendered)


def test_pods_run_as_an_ordinary_user_on_a_read_only_root():
    objects = yaml.safe_load_all(run("kubectl", "kustomize", DEPLOY / "kubernetes"))
    pods = [item["spec"]["template"]["spec"] for item in objects if "template" in item.get("spec", {})]
    assert len(pods) == 6
    for pod in pods:
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def pod_of(name: str) -> dict:
    objects = yaml.safe_load_all(run("kubectl", "kustomize", DEPLOY / "kubernetes"))
    return next(item["spec"]["template"]["spec"] for item in objects if item["metadata"]["name"] == name and
                "template" in item.get("spec", {}))  # fmt: skip


def test_folders_of_a_node_belong_to_the_user_of_the_pods():
    """`DirectoryOrCreate` makes them as root's with mode 755, and fsGroup changes no hostPath."""
    paths = [volume["hostPath"] for volume in pod_of("worker-containers")["volumes"] if "hostPath" in volume]
    folders = {path["path"] for path in paths if path["type"] != "Socket"}
    assert {path["type"] for path in paths} == {"Directory", "Socket"}
    made = re.search(r"install -d -o 10001 -g 10001 (/\S+ /\S+)`", (ROOT / "docs" / "deployment.md").read_text())
    assert made is not None
    assert set(made[1].split()) == folders


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00::7"])
def test_prometheus_may_ask_a_pod_by_its_address(address, tmp_path):
    pod = pod_of("web")
    names = [entry["name"] for entry in pod["containers"][0]["env"]]
    env = {entry["name"]: entry for entry in pod["containers"][0]["env"]}
    assert env["POD_IP"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert names.index("POD_IP") < names.index("INTERNAL_HOSTS")  # Kubernetes fills in what stands before only
    hosts = env["INTERNAL_HOSTS"]["value"].replace("$(POD_IP)", address)
    asks = "from django.conf import settings; print(settings.ALLOWED_HOSTS)"
    told = run(sys.executable, ROOT / "manage.py", "shell", "--no-imports", "-c", asks,
               env={"DATA_DIR": str(tmp_path), "ALLOWED_HOSTS": "site.example", "INTERNAL_HOSTS": hosts})  # fmt: skip
    assert repr(f"[{address}]" if ":" in address else address) in told


def test_every_alert_fires_when_it_should_and_only_then():
    folder = DEPLOY / "prometheus"
    run("promtool", "check", "rules", folder / "recording.yml", folder / "alerts.yml")
    assert "SUCCESS" in run("promtool", "test", "rules", "alerts_test.yml", cwd=folder)
    alerts = [
        rule["alert"]
        for group in yaml.safe_load((folder / "alerts.yml").read_text())["groups"]
        for rule in group["rules"]
    ]
    tested = (folder / "alerts_test.yml").read_text()
    for alert in alerts:
        assert f"{alert} fires" in tested
        assert f"{alert} is silent" in tested


def test_the_dashboard_and_the_alerts_name_only_metrics_that_there_are(client, db):
    text = client.get("/metrics").content.decode()
    served = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    recorded = set(re.findall(r"record: (\S+)", (DEPLOY / "prometheus" / "recording.yml").read_text()))
    dashboard = json.loads((DEPLOY / "grafana" / "lunasite.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    for expression in [*asked, *(rule["expr"] for rule in rules)]:
        for name in set(
            re.findall(r"\b([a-z]+(?:[_:][a-z0-9_]+)+)(?=[{\[\s)]|$)", re.sub(r"by \(.*?\)|on \(.*?\)", "", expression))
        ):
            if name in ("histogram_quantile", "label_replace"):
                continue
            base = re.sub(r"_(bucket|count|sum|total)$", "", name)
            assert {name, base, f"{base}_total"} & (served | recorded | {"up"}), (name, expression)
