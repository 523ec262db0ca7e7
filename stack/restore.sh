#!/bin/sh
# Brings a server's backup back and starts the servers again: `make restore`. Postgres may be empty, and
# databases of an older version are brought to this one by the service `prepare`.
set -eu
file=$1
shift
compose=${COMPOSE:-docker-compose}
$compose stop airflow-api airflow-scheduler airflow-dag-processor airflow-triggerer mlflow
$compose run --rm --no-TTY runner restore - "$@" < "$file" || {
  code=$?
  echo "  Airflow and MLflow are stopped; $compose up --detach starts them." >&2
  exit $code
}
$compose up --detach --wait
