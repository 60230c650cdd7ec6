-- How each transaction begins (common/store/database.py), with the settings of the URL (session.py). The lock timeout is
-- the user's own (URL or role), else a default that is less than half of a statement timeout: only a lock timeout tells
-- that another session holds a row. Texts go as UTF-8, whatever the database or its user expects of clients; the driver
-- reads times in ISO's style alone.

-- name: begin
BEGIN;
{settings}
SET LOCAL client_encoding TO 'UTF8';
SET LOCAL datestyle TO 'ISO';
SELECT set_config('lock_timeout', coalesce(
    nullif(current_setting('lock_timeout'), '0'),
    ceil(least(
        {milliseconds},
        nullif(1000 * extract(epoch FROM current_setting('statement_timeout')::interval), 0) / 2
    ))::text
), true);
