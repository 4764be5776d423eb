# The site's image in three forms of the same code: web, worker and model server; each is a target of this file.
#   docker build -t lunasite . && docker run -p 8000:8000 -v lunasite:/data lunasite       # all in one, for a look
#   docker build --target web -t lunasite-web .                                             # as docker-compose.yml does
# PyPI's torch for Linux is the CUDA build, several gigabytes that the site has no use for. For the CPU build, take the
# address of the CPU index named on PyTorch's install page ("Compute Platform: CPU"):
#   docker build --build-arg TORCH_INDEX=ADDRESS -t lunasite .
# A base image by digest: --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim

# The packages are by far the largest part, so all that follows builds on this stage instead of copying from it: a copy
# is another 1.3 GB on the disk of the machine that builds.
FROM ${PYTHON_IMAGE} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# A path file, not PYTHONPATH: the model process starts Python without the environment's paths.
RUN python -c "import pathlib, site; folder = pathlib.Path(site.getsitepackages()[0]); folder.mkdir(parents=True, exist_ok=True); (folder / 'packages.pth').write_text('/opt/packages')" \
    && groupadd --system --gid 10001 lunasite \
    && useradd --system --uid 10001 --gid lunasite --home-dir /data --shell /usr/sbin/nologin lunasite \
    && install -d -o lunasite -g lunasite -m 0700 /data /scratch /backup
# pip reads the last two itself: packages from elsewhere, as from a folder of wheels on a machine without the index.
ARG TORCH_INDEX
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
COPY requirements.txt constraints.txt requirements.lock /opt/requirements/
# By their hashes first; then torch, whose CPU wheel comes from another index, with what the lock has not installed yet.
RUN cd /opt/requirements \
    && pip install --require-hashes --no-deps --target /opt/packages -r requirements.lock \
    && grep '^torch==' requirements.txt > torch.txt \
    && pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --target /opt/packages -c constraints.txt -r torch.txt

FROM packages AS code
ENV PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY . .
# `COPY` keeps the modes of the checkout, and a strict umask there would hide the code from the user of the site.
RUN DATA_DIR=/tmp/build python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/build \
    && chmod -R a+rX /app

FROM packages AS site
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lunasite" \
      org.opencontainers.image.description="A challenge platform for chest-CT AI" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=code /app /app
WORKDIR /app
USER lunasite
# STATIC_ROOT was filled above. TMPDIR holds uploads in progress: not /tmp, which is memory where the root is read-only.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/packages/bin:$PATH \
    DATA_DIR=/data TMPDIR=/scratch
VOLUME ["/data", "/scratch"]

FROM site AS model-server
EXPOSE 8500
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8500), timeout=4)"]
CMD ["python", "-m", "inference.networks.server", "--host", "0.0.0.0", "--port", "8500"]

FROM site AS worker
CMD ["python", "manage.py", "work", "evaluations"]

FROM site AS web
EXPOSE 8000
# Without the proxy that Docker may hand to the container (~/.docker/config.json).
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["gunicorn", "lunasite.wsgi:application", "--config", "lunasite/serving/gunicorn.py", "--bind", "0.0.0.0:8000", "--workers", "2"]

# The last target is what a plain `docker build` gives: web and workers in one container, on SQLite and local files.
FROM web AS everything
CMD ["sh", "-c", "STATIC_ROOT=/data/static exec python manage.py start --bind 0.0.0.0 --port 8000"]
