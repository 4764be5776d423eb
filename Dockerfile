# The site: web and workers are the same image with another command.
#   docker build -t lunasite . && docker run -p 8000:8000 -v lunasite:/data lunasite
# PyPI's torch for Linux is the CUDA build, several gigabytes that the site has no use for. For the CPU build, take the
# address of the CPU index named on PyTorch's install page ("Compute Platform: CPU"):
#   docker build --build-arg TORCH_INDEX=ADDRESS -t lunasite .
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# pip reads the last two itself: packages from elsewhere, as from a folder of wheels on a machine without the index.
ARG TORCH_INDEX
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
COPY requirements.txt constraints.txt ./
RUN pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.txt

COPY . .
# `COPY` keeps the modes of the checkout, and a strict umask there would hide the code from the user below.
RUN DATA_DIR=/tmp/build python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/build \
    && chmod -R a+rX /app \
    && useradd --system --uid 10001 --home-dir /data lunasite \
    && install -d -o lunasite -g lunasite -m 0750 /data

USER lunasite
# STATIC_ROOT was filled above; `start` fills a copy that it may write.
ENV DATA_DIR=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["sh", "-c", "STATIC_ROOT=/data/static exec python manage.py start --bind 0.0.0.0 --port 8000"]
