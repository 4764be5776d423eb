#!/bin/sh
# Run once, when the database is made: the role of web and workers, which reads and writes rows and changes no table.
# The owner, used by `setup` alone, migrates.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set site_password="$(cat "${SITE_PASSWORD_FILE:-/run/secrets/postgres_site_password}")" <<'SQL'
SELECT 'CREATE ROLE lunasite_site LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lunasite_site') \gexec
ALTER ROLE lunasite_site PASSWORD :'site_password';
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO lunasite_site;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO lunasite_site;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO lunasite_site;
SQL
