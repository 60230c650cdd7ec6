-- Statements that create missing tables: see common/store/install.py.

-- name: lock
-- An arbitrary constant: functions that start at the same time create the tables once.
SELECT pg_advisory_xact_lock(7309115230416917);

-- name: current_schema
-- Where tables would be made, and the schema that the search_path names first: not the same if the user has no USAGE on
-- that one (`hidden`), or if it is missing. A user's own schema counts if it is there.
SELECT current_schema() AS name, wanted, quote_ident(wanted) AS quoted,
       to_regnamespace(quote_ident(wanted)) IS NOT NULL AS hidden
FROM (SELECT) AS one LEFT JOIN (
    SELECT CASE WHEN own THEN current_user ELSE (parse_ident(part))[1] END AS wanted
    FROM unnest(string_to_array(current_setting('search_path'), ',')) WITH ORDINALITY AS path (part, position),
         LATERAL (SELECT btrim(part, ' "') = '$user' AS own) AS users
    WHERE NOT own OR to_regnamespace(quote_ident(current_user)) IS NOT NULL
    ORDER BY position LIMIT 1
) AS first ON true;

-- name: find_table
SELECT to_regclass(:table) AS oid;

-- name: find_schema
SELECT to_regnamespace('$schema') AS oid;

-- name: make_schema
CREATE SCHEMA $schema;

-- name: move
-- Tables from before version 9, which the search_path finds, come into our schema once. Views stay in their place, and
-- a sequence whose numbers the moved one never reaches: functions and sidecars of an older version go on through them.
-- They show the columns that those know; later migrations may add columns and rename them, but change no type.
-- Users who had rights on the tables have the same as before.
DO $move$
DECLARE
    older regnamespace;
    later bool;
    moved record;
    granted record;
BEGIN
    SELECT relnamespace INTO older FROM pg_class
    WHERE oid = to_regclass('syncctl_migration') AND relkind = 'r' AND relnamespace <> to_regnamespace('$schema');
    IF older IS NULL OR to_regclass('$schema.syncctl_migration') IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s.syncctl_migration WHERE version >= 9)', older) INTO later;
    IF later THEN
        RETURN;  -- another deployment has them where it wants them
    END IF;
    FOR moved IN
        SELECT relname AS name, relacl AS rights, relowner AS owner FROM pg_class
        WHERE relnamespace = older AND relkind = 'r' AND relname IN (
            'syncctl_migration', 'syncctl_task', 'syncctl_result', 'syncctl_sweep', 'syncctl_config',
            'syncctl_changed_config', 'syncctl_state')
    LOOP
        EXECUTE format('ALTER TABLE %s.%I SET SCHEMA $schema', older, moved.name);
        CONTINUE WHEN moved.name = 'syncctl_config';  -- a later migration drops it
        EXECUTE format('CREATE VIEW %1$s.%2$I AS SELECT * FROM $schema.%2$I', older, moved.name);
        FOR granted IN
            SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS name,
                   string_agg(privilege_type, ', ') AS rights
            FROM aclexplode(moved.rights)
            WHERE grantee <> moved.owner AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
            GROUP BY grantee
        LOOP
            EXECUTE format('GRANT USAGE ON SCHEMA $schema TO %s', granted.name);
            EXECUTE format('GRANT %s ON %s.%I TO %s', granted.rights, older, moved.name, granted.name);
        END LOOP;
    END LOOP;
    IF to_regclass('$schema.syncctl_sweep_number') IS NOT NULL THEN
        EXECUTE format('CREATE SEQUENCE %s.syncctl_sweep_number AS int START 1000000000', older);
    END IF;
END $move$;

-- name: search_ours
-- For the numbered migrations, which name no schema; until the end of the transaction.
SELECT set_config('search_path', '$schema', true);

-- name: make_migration_table
CREATE TABLE $schema.syncctl_migration (
    version    int PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied
SELECT version FROM $schema.syncctl_migration;

-- name: mark_applied
INSERT INTO $schema.syncctl_migration (version) VALUES (:version);
