# One image for every service but Postgres. The checkout stays a checkout in it: dags/, dbt_project/ and
# shops/ are read from /project, and the home is a volume.
#
# Tags and no digests: whoever pins a digest here has to know it from a registry of their own.
FROM python:3.11.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONUTF8=1 PATH=/venv/bin:$PATH NIGHTSHELF_HOME=/home/nightshelf/home

# libgomp: scikit-learn's wheels bring theirs, implicit's and lightgbm's rely on the system's.
# pg_dump of the same major version as Postgres in docker-compose.yml: `nightshelf backup` calls it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 postgresql-client-15 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 nightshelf \
    && useradd --create-home --uid 10001 --gid 10001 nightshelf \
    && install -d -o nightshelf -g nightshelf /venv /project /home/nightshelf/home

USER nightshelf
WORKDIR /project

# The dependencies are a layer of their own: they change with the lock only.
COPY --chown=nightshelf requirements.lock ./
RUN python -m venv /venv \
    && sed -n '/^uv==/,/[^\\]$/p' requirements.lock > /tmp/uv.lock \
    && pip install --no-cache-dir --no-deps --require-hashes -r /tmp/uv.lock \
    && uv pip sync --no-cache --require-hashes --compile-bytecode --python /venv/bin/python requirements.lock

COPY --chown=nightshelf . .
RUN uv pip install --no-index --no-deps --no-build-isolation --python /venv/bin/python --editable .

VOLUME /home/nightshelf/home
ENTRYPOINT ["nightshelf"]
CMD ["up"]
