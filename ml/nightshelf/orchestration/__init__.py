"""Airflow and MLflow around the night: what DAGs share, one night without a scheduler, servers, alerts.

environment.py makes Airflow at home in a home; one_night.py runs the DAG there (listener.py hears it);
servers.py has both servers up on this machine, serving.py one in a container; scheduling.py is what the
files in dags/ import. Nothing here knows what a step does.
"""
