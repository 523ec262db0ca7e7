-- Run by Postgres' image once, when its volume is new: a database and an owner for each tenant, so that
-- none of them can read another's. A password that is not given ends it with an error.
\set ON_ERROR_STOP on
\getenv airflow AIRFLOW_DB_PASSWORD
\getenv mlflow MLFLOW_DB_PASSWORD
\getenv shelves SHELVES_DB_PASSWORD

create role airflow login password :'airflow';
create role mlflow login password :'mlflow';
create role shelves login password :'shelves';

create database airflow owner airflow;
create database mlflow owner mlflow;
create database shelves owner shelves;

revoke connect, temporary on database airflow, mlflow, shelves, postgres from public;
