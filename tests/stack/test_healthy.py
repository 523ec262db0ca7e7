"""What a container's health check says of its server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nightshelf.paths import PROJECT


@pytest.fixture
def serve():
    """Answers every request with what it is given; returns the port."""
    servers = []

    def serve(status: int, told: object) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(told).encode())

            def log_message(self, *told) -> None: ...

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def checked(server: str, port: int) -> subprocess.CompletedProcess:
    command = [sys.executable, PROJECT / "stack" / "healthy.py", server]
    ports = {"AIRFLOW__API__PORT": str(port), "NIGHTSHELF_MLFLOW_PORT": str(port)}
    return subprocess.run(command, env=os.environ | ports, capture_output=True, text=True)


def test_airflow_is_healthy_while_its_database_is(serve):
    well = {"metadatabase": {"status": "healthy"}, "scheduler": {"status": "unhealthy"}}
    assert checked("airflow", serve(200, well)).returncode == 0
    ill = checked("airflow", serve(200, {"metadatabase": {"status": "unhealthy"}}))
    assert ill.returncode == 1 and "unhealthy" in ill.stderr


def test_mlflow_is_healthy_when_it_answers(serve):
    assert checked("mlflow", serve(200, "OK")).returncode == 0
    assert checked("mlflow", serve(500, "no")).returncode == 1


def test_a_server_that_is_not_there_is_told_without_a_traceback(serve):
    told = checked("mlflow", 1)
    assert told.returncode == 1
    assert "refused" in told.stderr and "Traceback" not in told.stderr
