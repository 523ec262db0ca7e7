"""docker-compose.yml as a file: nothing open, nothing guessable, nothing that waits for nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from nightshelf.orchestration.serving import SERVERS
from nightshelf.paths import PROJECT
from tests.stack.test_env import made

TEXT = (PROJECT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict] = COMPOSE["services"]
ONCE = {"prepare", "runner"}
STAY_UP = sorted(SERVICES.keys() - ONCE)
SECRET = re.compile(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)(.)")


def dependencies(service: str) -> dict[str, str]:
    return {k: v["condition"] for k, v in SERVICES[service].get("depends_on", {}).items()}


def environment(service: str) -> dict[str, str]:
    return SERVICES[service].get("environment", {})


# ------------------------------------------------------------------ what nobody can reach or change


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_this_machine_only(service):
    for port in SERVICES[service].get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_postgres_is_reached_by_services_only():
    assert "ports" not in SERVICES["postgres"]
    assert SERVICES["postgres"]["networks"] == ["store"]
    assert COMPOSE["networks"]["store"] == {"internal": True}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_no_root_gains_nothing_and_writes_its_volumes_only(service):
    told = SERVICES[service]
    assert told["user"] in ("10001:10001", "postgres")
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in told and "network_mode" not in told


def test_what_is_mounted_from_the_host_is_read_only():
    mounted = [v for s in SERVICES.values() for v in s.get("volumes", []) if v[0] in "./$"]
    assert mounted and all(volume.endswith(":ro") for volume in mounted)


def test_mlflow_cannot_write_the_home_nor_read_shop_files():
    assert SERVICES["mlflow"]["volumes"] == ["home:/home/nightshelf/home:ro"]


# ------------------------------------------------------------------ secrets


def test_no_secret_has_a_default():
    used = SECRET.findall(TEXT)
    assert used and [name for name, then in used if then != ":"] == []
    assert re.findall(r"\$\{\w*(?:PASSWORD|SECRET|KEY)\w*:(?!\?)", TEXT) == []


def test_every_secret_is_drawn_by_make_env(tmp_path):
    assert {name for name, _ in SECRET.findall(TEXT)} == set(made(tmp_path)) - {"COMPOSE_PROFILES"}


def test_a_server_is_given_only_the_secrets_that_it_needs():
    def given(service: str) -> set[str]:
        return {n for value in environment(service).values() for n, _ in SECRET.findall(str(value))}

    airflow = {
        "AIRFLOW_DB_PASSWORD", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__CORE__FERNET_KEY",
    }  # fmt: skip
    steps = {"MLFLOW_DB_PASSWORD", "SHELVES_DB_PASSWORD"}
    for service in ("airflow-api", "airflow-dag-processor", "airflow-triggerer"):
        assert given(service) == airflow
    assert given("airflow-scheduler") == given("runner") == airflow | steps
    assert given("mlflow") == {
        "MLFLOW_DB_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY",
    }  # fmt: skip


# ------------------------------------------------------------------ health and order


@pytest.mark.parametrize("service", STAY_UP)
def test_what_stays_up_tells_whether_it_is_healthy_and_comes_back(service):
    assert SERVICES[service]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[service]["restart"] == "unless-stopped"
    assert SERVICES[service]["logging"] == {"driver": "local"}


@pytest.mark.parametrize("service", sorted(SERVICES.keys() - {"postgres"}))
def test_a_service_waits_until_what_it_needs_is_healthy(service):
    needed = {"postgres": "service_healthy"}
    if service not in ONCE:
        needed["prepare"] = "service_completed_successfully"
    assert dependencies(service) == needed


def test_a_service_is_never_without_what_it_depends_on_in_its_profile():
    for name, service in SERVICES.items():
        for needed in dependencies(name):
            assert set(service["profiles"]) <= set(SERVICES[needed]["profiles"])


def test_every_server_runs_once():
    commands = [s["command"] for s in SERVICES.values() if s.get("command", [""])[0] == "serve"]
    assert sorted(name for _, name in commands) == sorted(SERVERS)


def test_a_health_check_asks_a_part_that_airflow_tells_of():
    asked = {s["healthcheck"]["test"][-1] for n, s in SERVICES.items() if n.startswith("airflow")}
    assert asked == {"airflow", "scheduler", "dag_processor", "triggerer"}


# ------------------------------------------------------------------ images


def test_images_are_pinned_to_an_exact_version():
    images = {service["image"] for service in SERVICES.values()}
    (base,) = re.findall(r"^FROM (\S+)$", (PROJECT / "Dockerfile").read_text(), re.M)
    for image in images | {base}:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z]+)*", image)


def test_pg_dump_is_of_postgres_own_major_version():
    (served,) = re.findall(r"image: postgres:(\d+)", TEXT)
    assert f"postgresql-client-{served} " in (PROJECT / "Dockerfile").read_text()


# ------------------------------------------------------------------ by compose itself


def composed(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose did not check its file: it is not on this machine")
    command = ["docker-compose", "--file", str(PROJECT / "docker-compose.yml"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_compose_takes_the_file_with_what_make_env_wrote_and_refuses_it_without(tmp_path):
    without = composed(tmp_path, "--env-file", "/dev/null", "config", "--quiet")
    assert without.returncode and "run `make env`" in without.stderr
    made(tmp_path)
    env = str(tmp_path / ".env")
    assert composed(tmp_path, "--env-file", env, "config", "--quiet").returncode == 0
    told = composed(tmp_path, "--env-file", env, "config", "--services").stdout.split()
    assert set(told) == SERVICES.keys() - {"runner"}
