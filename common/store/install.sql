-- Statements that create missing tables: see common/store/install.py.

-- name: lock
-- An arbitrary constant: functions that start at the same time create the tables once.
SELECT pg_advisory_xact_lock(7309115230416917);

-- name: current_schema
SELECT current_schema() AS name,
       (SELECT quote_ident((parse_ident(split_part(setting, ',', 1)))[1])
        FROM pg_settings WHERE name = 'search_path') AS wanted;

-- name: find_table
SELECT to_regclass(:table) AS oid;

-- name: make_migration_table
CREATE TABLE IF NOT EXISTS syncctl_migration (
    version    int PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied
SELECT version FROM syncctl_migration;

-- name: mark_applied
INSERT INTO syncctl_migration (version) VALUES (:version);
