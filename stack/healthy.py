"""Whether a container's server is healthy: exit code 0, or 1 with the reason. No import of ours: it runs
every few seconds.

Airflow's API tells of the others' heartbeats. Without the API none of them could run a task either.
"""

from __future__ import annotations

import json
import os
import sys
from urllib.request import ProxyHandler, build_opener

SECONDS = 8


def answer(url: str) -> bytes:
    return build_opener(ProxyHandler({})).open(url, timeout=SECONDS).read()


def trouble(server: str) -> str | None:
    """What is wrong, if anything. airflow and mlflow are asked on this machine."""
    if server == "mlflow":
        answer(f"http://127.0.0.1:{os.environ['NIGHTSHELF_MLFLOW_PORT']}/health")
        return None
    host = "127.0.0.1" if server == "airflow" else "airflow-api"
    told = json.loads(
        answer(f"http://{host}:{os.environ['AIRFLOW__API__PORT']}/api/v2/monitor/health")
    )
    part = told["metadatabase" if server == "airflow" else server]
    return None if part["status"] == "healthy" else f"{server}: {part}"


if __name__ == "__main__":
    try:
        sys.exit(trouble(sys.argv[1]))
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
