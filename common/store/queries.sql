-- Every statement this project runs, one block each: `-- name: NAME`, then comment lines, then the SQL.
-- Parameters are :name. $schema is the one of our own tables; the search_path finds the caller's.
-- Times are the database's own (now()), so clocks of pods and functions do not matter.

-- name: create_task
-- Does nothing if the task exists, or if another active task holds the same slot
-- (syncctl_task_active: one read per sync, one discovery per key).
INSERT INTO $schema.syncctl_task (task_id, command, sync_id, storage_key, package, version, pod_name, request_hash,
                          given_hash, started_by, table_name_prefix, data_plane, created_at)
VALUES (:task_id, :command, :sync_id, :storage_key, :package, :version, :pod_name, :request_hash,
        :given_hash, :started_by, :table_name_prefix, :data_plane, date_trunc('second', now()))
ON CONFLICT DO NOTHING
RETURNING task_id, state, request_hash, pod_name, reason, extract(epoch FROM created_at)::bigint AS started_at,
          0 AS age_seconds, false AS ran, attempt, data_plane;

-- name: find_task
SELECT task_id, state, request_hash, pod_name, reason, extract(epoch FROM created_at)::bigint AS started_at,
       extract(epoch FROM now() - created_at)::bigint AS age_seconds, started_at IS NOT NULL AS ran, attempt,
       data_plane
FROM $schema.syncctl_task WHERE task_id = :task_id;

-- name: find_active
-- The task that holds the slot of a request.
SELECT task_id, state, request_hash, pod_name, reason, extract(epoch FROM created_at)::bigint AS started_at,
       extract(epoch FROM now() - created_at)::bigint AS age_seconds, started_at IS NOT NULL AS ran, attempt,
       data_plane
FROM $schema.syncctl_task
WHERE state IN ('PENDING', 'RUNNING') AND command = :command
  AND sync_id = :sync_id AND package = :package AND version = :version AND storage_key = :storage_key;

-- name: find_active_read
SELECT task_id, state, request_hash, pod_name, reason, extract(epoch FROM created_at)::bigint AS started_at,
       extract(epoch FROM now() - created_at)::bigint AS age_seconds, started_at IS NOT NULL AS ran, attempt,
       data_plane
FROM $schema.syncctl_task
WHERE state IN ('PENDING', 'RUNNING') AND command = 'read' AND sync_id = :sync_id;

-- name: given_up_read
-- The sync's active read, if its caller wants it no more: consoles that ignore a running task write FAILED themselves.
-- Nothing of ours ends the caller's row alone.
SELECT t.task_id FROM $schema.syncctl_task t
WHERE t.state IN ('PENDING', 'RUNNING') AND t.command = 'read' AND t.sync_id = :sync_id AND t.task_id <> :task_id
  AND (:ignore_running OR EXISTS (
      SELECT FROM source_task s WHERE s.task_id = t.task_id AND s.status IN ('FAILED', 'CANCELLED')))
UNION ALL
SELECT s.task_id FROM source_task s
WHERE :ignore_running AND s.status = 'RUNNING' AND s.sync_id = :sync_id
  AND NOT EXISTS (SELECT FROM $schema.syncctl_task t WHERE t.task_id = s.task_id)
LIMIT 1;

-- name: announce_read
-- The caller's table; RUNNING is its only word for "not finished".
INSERT INTO source_task (sync_id, task_id, package, version, started_at, updated_at, started_by, status, description)
VALUES (:sync_id, :task_id, :package, :version, to_timestamp(:started_at), now(), :started_by::jsonb,
        'RUNNING', 'CREATED: ')
ON CONFLICT ON CONSTRAINT source_task_pkey DO NOTHING;

-- name: announce_discover
INSERT INTO source_catalog (package, version, key, status, description, timestamp)
VALUES (:package, :version, :storage_key, 'RUNNING', '', to_timestamp(:started_at))
ON CONFLICT ON CONSTRAINT source_catalog_pkey
DO UPDATE SET status = excluded.status, description = excluded.description, timestamp = excluded.timestamp;

-- name: mark_running
-- What the pods waited for is over.
UPDATE $schema.syncctl_task
SET state = 'RUNNING', reason = '', started_at = coalesce(started_at, now()), updated_at = now()
WHERE task_id = ANY(:task_ids::text[]) AND (state = 'PENDING' OR state = 'RUNNING' AND reason <> '');

-- name: finish_tasks
-- The first terminal state wins; a terminal row never changes again. The end of an earlier attempt does not count (0: a
-- cancel's does), unless it is a SUCCESS and the next attempt has not begun. Rows are locked in one order, so that two
-- sweepers never wait for each other. A stream that still counts as running, since its sidecar did not account for it,
-- ends with its task.
WITH ended AS (
    SELECT * FROM unnest(:task_ids::text[], :attempts::int[], :states::text[], :reasons::text[], :failures::text[],
                         :streams::text[]) AS e (task_id, attempt, state, reason, failure, streams)
), mine AS (
    SELECT e.* FROM $schema.syncctl_task t JOIN ended e ON e.task_id = t.task_id
    WHERE t.state IN ('PENDING', 'RUNNING')
      AND (e.attempt IN (0, t.attempt)
           OR (e.state = 'SUCCESS' AND t.attempt = e.attempt + 1 AND t.resume_at IS NOT NULL))
    ORDER BY t.task_id FOR UPDATE OF t
)
UPDATE $schema.syncctl_task t
SET state = mine.state, reason = mine.reason, failure = mine.failure::jsonb,
    streams = (
        SELECT coalesce(jsonb_object_agg(stream, CASE
            WHEN coalesce(account ->> 'status', '') NOT IN ('PENDING', 'RUNNING') THEN account
            WHEN mine.state = 'SUCCESS' THEN account || '{"status": "SUCCESS"}'
            ELSE account || jsonb_build_object(
                'status', CASE WHEN (account ->> 'stored')::numeric > 0 THEN 'PARTIAL' ELSE 'FAILED' END,
                'error', coalesce(nullif(account ->> 'error', ''), mine.reason))
        END), '{}')
        FROM jsonb_each(coalesce(mine.streams::jsonb, t.streams)) AS accounts (stream, account)
    ),
    proposal = NULL, resume_at = NULL, updated_at = now(), finished_at = now()
FROM mine WHERE t.task_id = mine.task_id
RETURNING t.task_id;

-- name: account_cancelled
-- A cancel concludes the row before the sidecar has ended its requests: what they came to is known only after it. This
-- attempt's streams alone, once; how and when the task ended stays.
UPDATE $schema.syncctl_task SET streams = :streams::jsonb
WHERE task_id = :task_id AND state = 'CANCELLED' AND attempt = :attempt AND command = 'read';

-- name: propose
-- The outcome of an attempt, for the sweep to conclude once it has seen how the pod ended.
UPDATE $schema.syncctl_task SET proposal = :proposal, streams = coalesce(:streams::jsonb, streams), updated_at = now()
WHERE task_id = :task_id AND state IN ('PENDING', 'RUNNING') AND attempt = :attempt
RETURNING extract(epoch FROM now())::float AS proposed_at;

-- name: left_to_a_sweep
-- Somebody has swept since the proposal, or goes on doing so, as after each sweep that saw something active; or the task
-- or this attempt is concluded.
SELECT t.state NOT IN ('PENDING', 'RUNNING') OR t.attempt > :attempt OR EXISTS (
    SELECT 1 FROM $schema.syncctl_sweep s
    WHERE (s.data_plane = t.data_plane OR t.data_plane IS NULL)
      AND s.swept_at > to_timestamp(:proposed_at - CASE WHEN s.active > 0 THEN :going_on_seconds::float ELSE 0 END)
) AS yes FROM $schema.syncctl_task t WHERE task_id = :task_id;

-- name: begin_attempt
-- One of several sweepers wins, in the data plane of the new pod. The counts start from zero; the pod waits until
-- resume_at.
UPDATE $schema.syncctl_task
SET attempt = attempt + 1, pod_name = :pod_name, data_plane = :data_plane, state = 'PENDING', reason = :reason,
    streams = '{}', proposal = NULL,
    attempts = attempts || jsonb_build_array(:failure::jsonb || jsonb_build_object(
        'attempt', attempt, 'endedAt', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))),
    resume_at = now() + :pause_seconds * interval '1 second', attempt_at = now(), updated_at = now()
WHERE task_id = :task_id AND state IN ('PENDING', 'RUNNING') AND attempt = :attempt
RETURNING task_id;

-- name: release_attempts
-- They have got their states: from now on their pods are judged like any other.
UPDATE $schema.syncctl_task t SET resume_at = NULL, attempt_at = now(), updated_at = now()
FROM unnest(:task_ids::text[], :attempts::int[]) AS released (task_id, attempt)
WHERE t.task_id = released.task_id AND t.attempt = released.attempt
  AND t.state IN ('PENDING', 'RUNNING') AND t.resume_at IS NOT NULL;

-- name: report_progress
UPDATE $schema.syncctl_task
SET state = 'RUNNING', started_at = coalesce(started_at, now()), updated_at = now(),
    streams = coalesce(:streams::jsonb, streams), reason = CASE state WHEN 'PENDING' THEN '' ELSE reason END
WHERE task_id = :task_id AND state IN ('PENDING', 'RUNNING') AND attempt = :attempt;

-- name: note_troubles
-- Why pending tasks have no pod yet, or what pods wait for: a container may wait while the sidecar reports.
UPDATE $schema.syncctl_task t SET reason = noted.reason, updated_at = now()
FROM unnest(:task_ids::text[], :reasons::text[]) AS noted (task_id, reason)
WHERE t.task_id = noted.task_id AND (t.state = 'PENDING' OR t.state = 'RUNNING' AND :running::bool);

-- name: tasks_over
-- Of these, the ones that are over: for this attempt (0 stands for any), or as a whole.
SELECT t.task_id FROM $schema.syncctl_task t
JOIN unnest(:task_ids::text[], :attempts::int[]) AS asked (task_id, attempt) ON asked.task_id = t.task_id
WHERE t.state NOT IN ('PENDING', 'RUNNING') OR (asked.attempt > 0 AND t.attempt > asked.attempt);

-- name: heartbeat_read
UPDATE source_task SET updated_at = now() WHERE task_id = :task_id AND status = 'RUNNING';

-- name: finish_reads
-- Inserts a missing row (a sidecar may outlive the caller's clean-up), never over a terminal one.
INSERT INTO source_task (sync_id, task_id, package, version, started_at, updated_at, started_by, status, description)
SELECT sync_id, task_id, package, version, to_timestamp(started_at), now(), started_by::jsonb, status, description
FROM unnest(:sync_ids::text[], :task_ids::text[], :packages::text[], :versions::text[], :starts::bigint[],
            :starters::text[], :statuses::text[], :descriptions::text[])
     AS e (sync_id, task_id, package, version, started_at, started_by, status, description)
ORDER BY task_id
ON CONFLICT ON CONSTRAINT source_task_pkey
DO UPDATE SET updated_at = now(), status = excluded.status, description = excluded.description
WHERE source_task.status = 'RUNNING';

-- name: caller_row
-- How this run of a task ended by the caller's tables; no row while it goes on there. `pending` is a console's own word.
SELECT status, coalesce(description, '') AS description, NULL AS result FROM source_task
WHERE :command = 'read' AND task_id = :task_id AND status <> 'RUNNING'
UNION ALL
SELECT CASE WHEN specs IS NULL THEN 'FAILED' ELSE 'SUCCESS' END, coalesce(error, ''), specs::text FROM source_spec
WHERE :command = 'spec' AND package = :package AND version = :version AND timestamp >= to_timestamp(:started_at)
  AND (specs IS NOT NULL OR coalesce(error, '') NOT IN ('', 'pending'))
UNION ALL
SELECT status, coalesce(description, ''), NULL FROM source_check
WHERE :command = 'check' AND key = :storage_key AND timestamp >= to_timestamp(:started_at) AND status <> 'RUNNING'
UNION ALL
SELECT status, coalesce(description, ''), catalog::text FROM source_catalog
WHERE :command = 'discover' AND package = :package AND version = :version AND key = :storage_key
  AND timestamp >= to_timestamp(:started_at) AND status <> 'RUNNING';

-- name: save_spec
-- A newer run's specification replaces an older one or an error; an older run's does not. The error beside it: the
-- connector did not end well.
INSERT INTO source_spec (package, version, specs, timestamp, error)
VALUES (:package, :version, :specs::jsonb, to_timestamp(:started_at), :error)
ON CONFLICT ON CONSTRAINT source_spec_pkey
DO UPDATE SET specs = excluded.specs, timestamp = excluded.timestamp, error = excluded.error
WHERE source_spec.specs IS NULL OR source_spec.timestamp <= excluded.timestamp;

-- name: save_spec_error
-- Replaces an older error, never a specification.
INSERT INTO source_spec (package, version, specs, timestamp, error)
VALUES (:package, :version, NULL, to_timestamp(:started_at), :error)
ON CONFLICT ON CONSTRAINT source_spec_pkey
DO UPDATE SET timestamp = excluded.timestamp, error = excluded.error WHERE source_spec.specs IS NULL;

-- name: save_check
-- Never over a later run's.
INSERT INTO source_check (package, version, key, status, description, timestamp)
VALUES (:package, :version, :storage_key, :status, :description, to_timestamp(:started_at))
ON CONFLICT ON CONSTRAINT source_check_pkey
DO UPDATE SET status = excluded.status, description = excluded.description, timestamp = excluded.timestamp
WHERE source_check.timestamp <= excluded.timestamp;

-- name: save_check_error
-- Never over a result of this run or a later one.
INSERT INTO source_check (package, version, key, status, description, timestamp)
VALUES (:package, :version, :storage_key, 'FAILED', :description, to_timestamp(:started_at))
ON CONFLICT ON CONSTRAINT source_check_pkey
DO UPDATE SET status = excluded.status, description = excluded.description, timestamp = excluded.timestamp
WHERE source_check.timestamp < excluded.timestamp;

-- name: save_catalog
-- Never over a later run's; RUNNING may be the console's own word, by its own clock.
INSERT INTO source_catalog (package, version, key, catalog, status, description, timestamp)
VALUES (:package, :version, :storage_key, :catalog::jsonb, :status, :description, to_timestamp(:started_at))
ON CONFLICT ON CONSTRAINT source_catalog_pkey
DO UPDATE SET catalog = excluded.catalog, status = excluded.status, description = excluded.description,
              timestamp = excluded.timestamp
WHERE source_catalog.status = 'RUNNING' OR source_catalog.timestamp <= excluded.timestamp;

-- name: save_catalog_error
-- Only while RUNNING (or for the first time): a found catalog stays.
INSERT INTO source_catalog (package, version, key, catalog, status, description, timestamp)
VALUES (:package, :version, :storage_key, NULL, 'FAILED', :description, to_timestamp(:started_at))
ON CONFLICT ON CONSTRAINT source_catalog_pkey
DO UPDATE SET status = excluded.status, description = excluded.description, timestamp = excluded.timestamp
WHERE source_catalog.status = 'RUNNING';

-- name: save_state
INSERT INTO source_state (sync_id, stream, state, timestamp)
VALUES (:sync_id, :state_key, :state::jsonb, now())
ON CONFLICT ON CONSTRAINT source_state_pkey DO UPDATE SET state = excluded.state, timestamp = excluded.timestamp;

-- name: drop_other_states
-- One live kind of state per sync: a source that went from LEGACY to STREAM must not be given both.
DELETE FROM source_state
WHERE sync_id = :sync_id
  AND CASE WHEN stream IN ('_GLOBAL_STATE', '_LEGACY_STATE') THEN stream ELSE '' END <> :kind;

-- name: raw_states_exist
-- Another controller's database has only the caller's tables.
SELECT to_regclass('$schema.syncctl_state') IS NOT NULL AS exist;

-- name: save_raw_state
INSERT INTO $schema.syncctl_state (sync_id, stream, state) VALUES (:sync_id, :state_key, :state::json);

-- name: drop_state
DELETE FROM source_state WHERE sync_id = :sync_id AND stream = :state_key;

-- name: drop_raw_states
-- The older one of this key, and those of the other kinds.
DELETE FROM $schema.syncctl_state
WHERE sync_id = :sync_id
  AND (stream = :state_key
       OR CASE WHEN stream IN ('_GLOBAL_STATE', '_LEGACY_STATE') THEN stream ELSE '' END <> :kind);

-- name: state_sizes
-- The length of each state's text, or more than :most: nothing is written out that would be longer. In an array a state
-- has the size that it has in memory. jsonb writes numbers out with all their zeros, so that these are estimated first.
-- With a task, those that were saved since it was accepted. Should a key be in both tables (another sidecar does not
-- know these tables), the newer one comes last.
SELECT stream, timestamp, CASE
    WHEN memory > :most::int THEN memory
    WHEN (SELECT sum(scale(number) + CASE WHEN abs(number) < 1e20 THEN 20 WHEN abs(number) < 1e400 THEN 400
                                          ELSE 131072 END)
          FROM jsonb_path_query(state, 'strict $.** ? (@.type() == "number")') AS found,
               LATERAL (SELECT found::numeric AS number) AS one) > :most::int THEN :most::bigint + 1
    ELSE octet_length(state::text) END AS bytes
FROM source_state, LATERAL (SELECT pg_column_size(ARRAY[state]) AS memory OFFSET 0) AS unpacked
WHERE sync_id = :sync_id AND (:task_id = '' OR timestamp > (
    SELECT accepted_at FROM $schema.syncctl_task WHERE task_id = :task_id))
UNION ALL
SELECT stream, updated_at, octet_length(state::text) FROM $schema.syncctl_state
WHERE sync_id = :sync_id AND (:task_id = '' OR updated_at > (
    SELECT accepted_at FROM $schema.syncctl_task WHERE task_id = :task_id))
ORDER BY timestamp;

-- name: state_keys
SELECT stream, timestamp FROM source_state WHERE sync_id = :sync_id
UNION ALL
SELECT stream, updated_at FROM $schema.syncctl_state WHERE sync_id = :sync_id
ORDER BY timestamp;

-- name: load_states
-- Of these keys, once state_sizes has shown how large they are.
SELECT stream, state::text AS state, timestamp FROM source_state
WHERE sync_id = :sync_id AND stream = ANY(:keys::text[]) AND (:task_id = '' OR timestamp > (
    SELECT accepted_at FROM $schema.syncctl_task WHERE task_id = :task_id))
UNION ALL
SELECT stream, state::text AS state, updated_at FROM $schema.syncctl_state
WHERE sync_id = :sync_id AND stream = ANY(:keys::text[]) AND (:task_id = '' OR updated_at > (
    SELECT accepted_at FROM $schema.syncctl_task WHERE task_id = :task_id))
ORDER BY timestamp;

-- name: clear_states
-- Of these streams; those of all streams, too, which are older if there are states of single streams.
DELETE FROM source_state
WHERE sync_id = :sync_id AND (stream = ANY(:keys::text[]) OR stream IN ('_GLOBAL_STATE', '_LEGACY_STATE'));

-- name: clear_raw_states
DELETE FROM $schema.syncctl_state
WHERE sync_id = :sync_id AND (stream = ANY(:keys::text[]) OR stream IN ('_GLOBAL_STATE', '_LEGACY_STATE'));

-- name: last_read_streams
SELECT jsonb_object_keys(streams) AS stream
FROM (SELECT streams FROM $schema.syncctl_task WHERE sync_id = :sync_id AND command = 'read' AND streams <> '{}'
      ORDER BY created_at DESC LIMIT 1) AS last_read;

-- name: given_hash
-- Of the configuration that a task's caller sent; no row of a task of another controller, or of an older version.
SELECT given_hash FROM $schema.syncctl_task
WHERE task_id = :task_id AND package = :package AND given_hash IS NOT NULL;

-- name: keep_config
-- The last one to change it has the newest.
INSERT INTO $schema.syncctl_changed_config (package, given_hash, config) VALUES (:package, :given_hash, :config)
ON CONFLICT (package, given_hash) DO UPDATE SET config = excluded.config, used_at = now();

-- name: forget_unused_configs
-- They hold secrets in the clear: those that nobody has sent the origin of for long are given up.
DELETE FROM $schema.syncctl_changed_config WHERE used_at < now() - interval '90 days';

-- name: find_config
-- One that is too large for any task, from an older version, counts as none.
SELECT config, used_at < now() - interval '1 day' AS stale
FROM $schema.syncctl_changed_config
WHERE package = :package AND given_hash = :given_hash AND octet_length(config) <= :most;

-- name: use_config
UPDATE $schema.syncctl_changed_config SET used_at = now() WHERE package = :package AND given_hash = :given_hash;

-- name: lock_task
-- A cancel waits until what is written about a task that is not over is there.
SELECT state IN ('PENDING', 'RUNNING') AS active FROM $schema.syncctl_task WHERE task_id = :task_id FOR UPDATE;

-- name: save_result
INSERT INTO $schema.syncctl_result (task_id, result) VALUES (:task_id, :result::json)
ON CONFLICT (task_id) DO UPDATE SET result = excluded.result;

-- name: add_logs
-- One statement per batch; its lines are one JSON document, because to make arrays of them costs 40 us a line. Ids are
-- made here: to make a text of each costs the sidecar as much as the rest. A single level is that of all. A line that
-- is there already was written.
INSERT INTO task_log (id, level, logger, message, sync_id, task_id, timestamp)
SELECT (id || lpad(to_hex(first + n), 15, '0'))::uuid, coalesce(level, levels->>0), logger, message, :sync_id,
       :task_id, timestamp
FROM json_to_recordset(:lines::json)
         AS part (id text, first bigint, logger text, timestamp timestamptz, levels json, messages json),
     ROWS FROM (json_array_elements_text(levels), json_array_elements_text(messages))
         WITH ORDINALITY AS line (level, message, n)
ON CONFLICT DO NOTHING;

-- name: last_logs
-- The last lines before a position (without one, of all), newest first, as many as fit into so many bytes of JSON;
-- `found` counts them with those that do not, up to the limit. What another sidecar wrote may be of any length.
SELECT timestamp, id::text AS id, level, logger, message, found
FROM (
    SELECT *, count(*) OVER () AS found,
           sum(octet_length(row_to_json(newest)::text)) OVER (ORDER BY timestamp DESC, id DESC) AS bytes
    FROM (
        SELECT timestamp, id, left(level, 100) AS level, left(logger, 300) AS logger, left(message, 33000) AS message
        FROM task_log
        WHERE task_id = :task_id AND sync_id = :sync_id
          AND (:before_id::uuid IS NULL OR (timestamp, id) < (:before_time::timestamptz, :before_id::uuid))
        ORDER BY timestamp DESC, id DESC LIMIT :limit
    ) AS newest
) AS measured
WHERE bytes <= :bytes
ORDER BY timestamp DESC, id DESC;

-- name: list_tasks
-- Newest first; the cursor is the (created_at, task_id) of the last row seen. As many as fit into so many bytes, one at
-- least: a connector may have written an error for each of a thousand streams. `found` counts them with those that do
-- not fit. Only measured at first: what is left out is not kept in Postgres's memory either.
SELECT task_id, command, sync_id, storage_key, package, version, state, reason, streams::text AS streams, started_by,
       created_at, started_at, updated_at, finished_at, failure::text AS failure, attempt, attempts::text AS attempts,
       data_plane, found
FROM (
    SELECT *, count(*) OVER () AS found, row_number() OVER newest_first AS number, sum(size) OVER newest_first AS bytes
    FROM (
        SELECT *, octet_length(concat(reason, streams, failure, attempts)) AS size
        FROM $schema.syncctl_task
        WHERE (:sync_id = '' OR sync_id = :sync_id) AND (:state = '' OR state = :state)
          AND (:command = '' OR command = :command)
          AND (:before_id = '' OR (created_at, task_id) < (:before_time::timestamptz, :before_id))
        ORDER BY created_at DESC, task_id DESC LIMIT :limit
    ) AS newest
    WINDOW newest_first AS (ORDER BY created_at DESC, task_id DESC)
) AS measured
WHERE bytes <= :bytes OR number = 1
ORDER BY created_at DESC, task_id DESC;

-- name: get_task
SELECT t.task_id, command, sync_id, storage_key, package, version, state, reason, streams::text AS streams,
       started_by, created_at, started_at, updated_at, finished_at, failure::text AS failure, attempt,
       attempts::text AS attempts, data_plane, r.result::text AS result
FROM $schema.syncctl_task t LEFT JOIN $schema.syncctl_result r ON r.task_id = t.task_id
WHERE t.task_id = :task_id;

-- name: active_pods
-- For the sweep: the pods that should be in this data plane. A row without a data plane may be anybody's.
SELECT pod_name FROM $schema.syncctl_task
WHERE state IN ('PENDING', 'RUNNING') AND (data_plane = :data_plane OR data_plane IS NULL);

-- name: active_tasks
-- For the sweep: the rows of these pods of this data plane.
SELECT task_id, command, sync_id, storage_key, package, version, pod_name, state, reason, started_by, attempt, proposal,
       table_name_prefix, request_hash = '' AS adopted, extract(epoch FROM created_at)::bigint AS started_at,
       extract(epoch FROM now() - created_at)::float AS age_seconds,
       extract(epoch FROM now() - updated_at)::float AS idle_seconds
FROM $schema.syncctl_task
WHERE state IN ('PENDING', 'RUNNING') AND pod_name = ANY(:pod_names::text[])
  AND (data_plane = :data_plane OR data_plane IS NULL)
ORDER BY created_at;

-- name: tasks_of_pods
-- For the sweep: the rows of a page of pods, by the pods' names, and by the tasks that they name themselves: a row
-- names its last pod only. Of any data plane: a pod that is seen is here. For the columns see sweeps.SweptTask.
SELECT task_id, command, sync_id, storage_key, package, version, pod_name, state, reason, started_by, attempt, proposal,
       table_name_prefix, request_hash = '' AS adopted, extract(epoch FROM created_at)::bigint AS started_at,
       extract(epoch FROM now() - created_at)::float AS age_seconds,
       extract(epoch FROM now() - updated_at)::float AS idle_seconds,
       CASE WHEN attempt > 1 THEN extract(epoch FROM now() - attempt_at)::float END AS attempt_seconds,
       extract(epoch FROM resume_at - now())::float AS waits_seconds,
       extract(epoch FROM now() - finished_at)::float AS finished_seconds,
       CASE WHEN state = 'RUNNING' AND (streams <> '{}' OR command <> 'read')
            THEN extract(epoch FROM now() - updated_at)::float END AS silent_seconds,
       jsonb_path_exists(streams, '$.*.emitted ? (@ > 0)') AS heard
FROM $schema.syncctl_task WHERE pod_name = ANY(:pod_names::text[]) OR task_id = ANY(:task_ids::text[]);

-- name: task_to_cancel
SELECT task_id, command, sync_id, storage_key, package, version, pod_name, state, started_by, data_plane,
       extract(epoch FROM created_at)::bigint AS started_at
FROM $schema.syncctl_task WHERE task_id = :task_id;

-- name: database_now
SELECT extract(epoch FROM now())::float AS now;

-- name: record_sweep
INSERT INTO $schema.syncctl_sweep (id, data_plane, swept_at, seconds, pods, active, concluded, deleted, unreadable,
                           orphaned_rows)
VALUES (nextval('$schema.syncctl_sweep_number'), :data_plane, now(), :seconds, :pods, :active, :concluded, :deleted,
        :unreadable, :orphaned_rows)
ON CONFLICT (data_plane) DO UPDATE
SET swept_at = excluded.swept_at, seconds = excluded.seconds, pods = excluded.pods, active = excluded.active,
    concluded = excluded.concluded, deleted = excluded.deleted, unreadable = excluded.unreadable,
    orphaned_rows = excluded.orphaned_rows;

-- name: last_sweep
-- In this data plane: that another one reaches Postgres tells nothing of this one's sidecars.
SELECT extract(epoch FROM now() - swept_at)::float AS age_seconds
FROM $schema.syncctl_sweep WHERE data_plane = :data_plane;

-- name: oldest_sweep
-- When all active tasks were last looked at: of the data planes that have some, the one whose last sweep is the longest
-- ago, or was never. Without any, the newest sweep of all.
WITH busy AS (
    SELECT DISTINCT data_plane FROM $schema.syncctl_task
    WHERE state IN ('PENDING', 'RUNNING') AND data_plane IS NOT NULL
)
SELECT s.data_plane, swept_at, extract(epoch FROM now() - swept_at)::float AS age_seconds, seconds, pods, active,
       concluded, deleted, unreadable, orphaned_rows
FROM busy FULL JOIN $schema.syncctl_sweep s ON s.data_plane = busy.data_plane
ORDER BY busy.data_plane IS NULL, CASE WHEN busy.data_plane IS NOT NULL THEN swept_at END NULLS FIRST, swept_at DESC
LIMIT 1;

-- name: session
SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only')::bool AS read_only;

-- name: missing_rights
-- What a sidecar's user lacks for a command on the tables that are there, in Postgres's words. A right on some columns
-- counts: which ones it lacks, a statement tells. docs/how-to/operate.md has the same list as grants.
SELECT 'permission denied for schema ' || nspname || ' (USAGE)' AS words FROM pg_namespace
WHERE nspname = ANY (SELECT btrim(name, ' "') FROM unnest(string_to_array(current_setting('search_path'), ',')) AS name)
  AND NOT has_schema_privilege(oid, 'USAGE')
UNION ALL
SELECT 'permission denied for table ' || relname || ' (' || string_agg(verb, ', ' ORDER BY position) || ')'
FROM (VALUES
    ('', 'task_log', 'INSERT'), ('', 'source_spec', 'SELECT'),
    ('read', 'source_task', 'SELECT INSERT UPDATE'), ('read', 'source_state', 'SELECT INSERT UPDATE DELETE'),
    ('spec', 'source_spec', 'SELECT INSERT UPDATE'), ('check', 'source_check', 'SELECT INSERT UPDATE'),
    ('discover', 'source_catalog', 'SELECT INSERT UPDATE'),
    ('', '$schema.syncctl_task', 'SELECT UPDATE'), ('', '$schema.syncctl_result', 'SELECT INSERT UPDATE'),
    ('read', '$schema.syncctl_state', 'SELECT INSERT DELETE'), ('', '$schema.syncctl_sweep', 'SELECT'),
    ('', '$schema.syncctl_changed_config', 'SELECT INSERT UPDATE DELETE')
) AS needed (command, name, verbs)
JOIN pg_class ON pg_class.oid = to_regclass(name)
CROSS JOIN string_to_table(verbs, ' ') WITH ORDINALITY AS one (verb, position)
WHERE command IN ('', :command)
  AND NOT CASE verb WHEN 'DELETE' THEN has_table_privilege(pg_class.oid, verb)
                    ELSE has_any_column_privilege(pg_class.oid, verb) END
GROUP BY relname;

-- name: ours_exist
-- Another controller's database has only the caller's tables.
SELECT to_regclass('$schema.syncctl_task') IS NOT NULL AS ours;

-- name: specification
SELECT specs::text AS specs FROM source_spec WHERE package = :package AND version = :version AND specs IS NOT NULL;

-- name: adopt_reads
-- Another controller's reads, from their rows in the caller's table; without a pod's name, the one that the original
-- gives. A request hash of '' marks them: no request of ours has it. Not beside an active read of ours.
INSERT INTO $schema.syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state, reason, failure,
                          started_by, data_plane, created_at, started_at, updated_at, finished_at)
SELECT s.task_id, 'read', s.sync_id, s.package, s.version,
       coalesce(a.pod_name,
                lower(regexp_replace(s.package, '[^A-Za-z0-9-]', '-', 'g') || '-' || s.sync_id || '.' || s.task_id)),
       '', w.state, CASE WHEN w.over THEN coalesce(s.description, '') ELSE '' END,
       CASE WHEN w.over AND w.state <> 'SUCCESS' THEN :failure::jsonb END,
       coalesce(s.started_by::text, ''), :data_plane, s.started_at, s.started_at, now(),
       CASE WHEN w.over THEN s.updated_at END
FROM unnest(:task_ids::text[], :pod_names::text[]) AS a (task_id, pod_name)
JOIN source_task s ON s.task_id = a.task_id,
     LATERAL (SELECT CASE WHEN s.status IN ('RUNNING', 'SUCCESS', 'PARTIAL', 'CANCELLED') THEN s.status ELSE 'FAILED'
                     END AS state, s.status <> 'RUNNING' AS over) AS w
ORDER BY s.task_id
ON CONFLICT DO NOTHING;

-- name: follow_callers_rows
-- Of adopted reads that have ended: the controller or sidecar that has them wrote so into the caller's table.
UPDATE $schema.syncctl_task t
SET state = CASE WHEN s.status IN ('SUCCESS', 'PARTIAL', 'CANCELLED') THEN s.status ELSE 'FAILED' END,
    reason = coalesce(s.description, ''), failure = CASE WHEN s.status <> 'SUCCESS' THEN :failure::jsonb END,
    updated_at = now(), finished_at = now()
FROM source_task s
WHERE s.task_id = t.task_id AND s.status <> 'RUNNING'
  AND t.task_id IN (SELECT task_id FROM $schema.syncctl_task
                    WHERE task_id = ANY(:task_ids::text[]) AND request_hash = '' AND state IN ('PENDING', 'RUNNING')
                    FOR UPDATE SKIP LOCKED);

-- name: touch_adopted
-- As their controller did while it was there: others take a row that nobody touches for abandoned.
UPDATE source_task SET updated_at = now()
WHERE task_id IN (SELECT task_id FROM source_task WHERE task_id = ANY(:task_ids::text[]) AND status = 'RUNNING'
                  FOR UPDATE SKIP LOCKED);

-- name: reads_elsewhere
-- RUNNING rows that no task here belongs to: of this sync, or of any.
SELECT task_id, sync_id, package, version, extract(epoch FROM started_at)::bigint AS started_at,
       coalesce(started_by::text, '') AS started_by, extract(epoch FROM now() - updated_at)::bigint AS idle_seconds
FROM source_task s
WHERE status = 'RUNNING' AND (:sync_id = '' OR sync_id = :sync_id)
  AND updated_at <= now() - :idle_seconds * interval '1 second'
  AND NOT EXISTS (SELECT FROM $schema.syncctl_task t WHERE t.task_id = s.task_id);

-- name: fail_abandoned_results
-- A console asks for no other catalog while a row says RUNNING, nor for a specification while its own word for that,
-- pending, is there. A result that comes all the same replaces this.
WITH late AS (SELECT now() - :idle_seconds * interval '1 second' AS since), sought AS (
    SELECT command, package, version, storage_key FROM $schema.syncctl_task
    WHERE state IN ('PENDING', 'RUNNING') AND command IN ('spec', 'discover')
), catalogs AS (
    UPDATE source_catalog c SET status = 'FAILED', description = :reason
    WHERE status = 'RUNNING' AND timestamp <= (SELECT since FROM late)
      AND NOT EXISTS (SELECT FROM sought s WHERE s.command = 'discover' AND s.package = c.package
                      AND s.version = c.version AND s.storage_key = c.key)
    RETURNING 1
), specs AS (
    UPDATE source_spec c SET error = :reason
    WHERE specs IS NULL AND error = 'pending' AND timestamp <= (SELECT since FROM late)
      AND NOT EXISTS (SELECT FROM sought s WHERE s.command = 'spec' AND s.package = c.package AND s.version = c.version)
    RETURNING 1
)
SELECT (SELECT count(*) FROM catalogs) + (SELECT count(*) FROM specs) AS ended;
