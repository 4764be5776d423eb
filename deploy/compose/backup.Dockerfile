# The worker's image with PostgreSQL's own tools; build the others first (`docker compose up -d`).
# pg_dump must not be older than the server: Debian's beside python:3.11-slim is 17, as postgres:17 in docker-compose.yml.
FROM lunasite-worker
USER root
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*
USER lunasite
VOLUME /backup
