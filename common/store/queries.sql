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
-- ends with its task, and with it what counts only while it runs.
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
            WHEN mine.state = 'SUCCESS' THEN account - :live::text[] || '{"status": "SUCCESS"}'
            ELSE account - :live::text[] || jsonb_build_object(
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
    waits_for = :waits_for, waits_since = now(), streams = '{}', estimate = NULL, rates = NULL, proposal = NULL,
    attempts = attempts || jsonb_build_array(:failure::jsonb || jsonb_build_object(
        'attempt', attempt, 'endedAt', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))),
    resume_at = now() + :pause_seconds * interval '1 second', attempt_at = now(), updated_at = now()
WHERE task_id = :task_id AND state IN ('PENDING', 'RUNNING') AND attempt = :attempt
RETURNING task_id;

-- name: release_attempts
-- They have got their states: from now on their pods are judged like any other.
UPDATE $schema.syncctl_task t SET resume_at = NULL, waits_for = NULL, attempt_at = now(), updated_at = now()
FROM unnest(:task_ids::text[], :attempts::int[]) AS released (task_id, attempt)
WHERE t.task_id = released.task_id AND t.attempt = released.attempt
  AND t.state IN ('PENDING', 'RUNNING') AND t.resume_at IS NOT NULL;

-- name: report_progress
UPDATE $schema.syncctl_task
SET state = 'RUNNING', started_at = coalesce(started_at, now()), updated_at = now(),
    streams = coalesce(:streams::jsonb, streams), reason = CASE state WHEN 'PENDING' THEN '' ELSE reason END
WHERE task_id = :task_id AND state IN ('PENDING', 'RUNNING') AND attempt = :attempt;

-- name: report_estimate
UPDATE $schema.syncctl_task SET estimate = :estimate::jsonb
WHERE task_id = :task_id AND state IN ('PENDING', 'RUNNING') AND attempt = :attempt;

-- name: report_rates
-- Of a cancelled read after its end, too, as account_cancelled.
UPDATE $schema.syncctl_task SET rates = :rates::jsonb
WHERE task_id = :task_id AND state IN ('PENDING', 'RUNNING', 'CANCELLED') AND attempt = :attempt AND command = 'read';

-- name: note_waits
-- Why pending tasks have no pod yet, or what pods wait for: a container may wait while the sidecar reports.
-- It leaves updated_at alone in a RUNNING row: that is the time of the sidecar's report. waits_since goes on while only
-- the words change.
UPDATE $schema.syncctl_task t
SET reason = noted.reason, updated_at = CASE t.state WHEN 'RUNNING' THEN t.updated_at ELSE now() END,
    waits_for = noted.waits_for,
    waits_since = CASE WHEN t.reason <> '' AND t.waits_for = noted.waits_for THEN t.waits_since ELSE now() END
FROM unnest(:task_ids::text[], :kinds::text[], :reasons::text[]) AS noted (task_id, waits_for, reason)
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

-- name: lock_states
-- Of one sync, until the end of the transaction: for those who change them by hand, and for the starts of its reads.
SELECT pg_advisory_xact_lock(hashtextextended('syncctl states ' || :sync_id, 0));

-- name: state_hashes
-- Of the text that Postgres has, so that a state that is saved again as it was has the same.
SELECT stream, encode(sha256(convert_to(state::text, 'UTF8')), 'hex') AS hash FROM source_state
WHERE sync_id = :sync_id AND stream = ANY(:keys::text[])
UNION ALL
SELECT stream, encode(sha256(convert_to(state::text, 'UTF8')), 'hex') FROM $schema.syncctl_state
WHERE sync_id = :sync_id AND stream = ANY(:keys::text[]);

-- name: keep_state_change
INSERT INTO $schema.syncctl_state_undo (sync_id, action, before, after)
VALUES (:sync_id, :action, :before::json, :after::jsonb);

-- name: forget_state_changes
-- Each may be as large as all states of a sync.
DELETE FROM $schema.syncctl_state_undo WHERE changed_at < now() - interval '90 days' OR id IN (
    SELECT id FROM $schema.syncctl_state_undo WHERE sync_id = :sync_id ORDER BY id DESC OFFSET :most);

-- name: newest_state_change
SELECT id, action, before::text AS before, after::text AS after, changed_at FROM $schema.syncctl_state_undo
WHERE sync_id = :sync_id ORDER BY id DESC LIMIT 1;

-- name: drop_state_change
DELETE FROM $schema.syncctl_state_undo WHERE id = :id;

-- name: close_states
-- The sidecar of a read that was cancelled, or that was taken for lost, goes on for a while.
UPDATE $schema.syncctl_task SET states_closed = true
WHERE sync_id = :sync_id AND command = 'read' AND state NOT IN ('PENDING', 'RUNNING') AND NOT states_closed
  AND finished_at > now() - interval '1 day';

-- name: states_closed
-- Locked, so that who changes them by hand waits for what is being saved. Without a row of the task, as of another
-- controller's, or without the column, which an earlier version's functions have not made, they are open.
SELECT coalesce((to_jsonb(t) ->> 'states_closed')::boolean, false) AS closed
FROM $schema.syncctl_task t WHERE task_id = :task_id FOR SHARE;

-- name: sync_known
-- Whether anything is known of a sync: a read of ours or of another controller, a state, or one that was forgotten.
SELECT EXISTS (SELECT FROM $schema.syncctl_task WHERE sync_id = :sync_id)
    OR EXISTS (SELECT FROM source_task WHERE sync_id = :sync_id)
    OR EXISTS (SELECT FROM source_state WHERE sync_id = :sync_id)
    OR EXISTS (SELECT FROM $schema.syncctl_state WHERE sync_id = :sync_id)
    OR EXISTS (SELECT FROM $schema.syncctl_state_undo WHERE sync_id = :sync_id) AS known;

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
-- They hold secrets: those that nobody has sent the origin of for long are given up.
DELETE FROM $schema.syncctl_changed_config WHERE used_at < now() - interval '90 days';

-- name: find_config
-- One that is too large for any task, from an older version, counts as none.
SELECT config, used_at < now() - interval '1 day' AS stale
FROM $schema.syncctl_changed_config
WHERE package = :package AND given_hash = :given_hash AND octet_length(config) <= :most;

-- name: configs_to_encrypt
-- In the clear, or by an older key; a few at a time, as each may be large. Those that the first key has encrypted are
-- left out by the index syncctl_changed_config_key: each sweep asks.
SELECT package, given_hash, config FROM $schema.syncctl_changed_config
WHERE (left(config, 16) < :current OR left(config, 16) > :current)
  AND (left(config, 7) <> 'fernet:' OR left(config, 16) = ANY(:older::text[]))
ORDER BY package, given_hash LIMIT 10;

-- name: encrypt_config
-- Unless a connector has changed it meanwhile.
UPDATE $schema.syncctl_changed_config SET config = :encrypted
WHERE package = :package AND given_hash = :given_hash AND config = :config;

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

-- name: logs_before
-- Lines before a position (without one, the last of all), newest first. Only so many are looked at, however few of them
-- are wanted: a rare text in a long log must not keep Postgres busy. Of the wanted ones, as many as fit into so many bytes
-- of JSON; `found` counts them with those that do not, up to the limit. What another sidecar wrote may be of any length.
-- `edge` is the last line that was looked at, and `beyond` tells whether there are more behind it.
WITH looked AS (
    SELECT *, row_number() OVER (ORDER BY timestamp DESC, id DESC) AS number
    FROM (
        SELECT timestamp, id, level, logger, message FROM task_log
        WHERE task_id = :task_id AND sync_id = :sync_id
          AND timestamp >= coalesce(:since::timestamptz, '-infinity')
          AND (:line_id::uuid IS NULL OR (timestamp, id) < (:line_time::timestamptz, :line_id::uuid))
        ORDER BY timestamp DESC, id DESC LIMIT :looked + 1
    ) AS nearest
), page AS (
    SELECT *, count(*) OVER () AS found, sum(octet_length(row_to_json(wanted)::text)) OVER (ORDER BY number) AS bytes
    FROM (
        SELECT number, timestamp, id::text AS id, left(level, 100) AS level, left(logger, 300) AS logger,
               left(message, 33000) AS message
        FROM (
            SELECT * FROM looked
            WHERE number <= :looked AND upper(level) <> ALL(:hidden::text[])
              AND (:text = '' OR strpos(lower(left(message, 33000)), lower(:text)) > 0)
            ORDER BY number LIMIT :limit + 1
        ) AS fitting
    ) AS wanted
)
SELECT edge.timestamp AS edge_time, edge.id::text AS edge_id, beyond, page.*
FROM (
    SELECT timestamp, id, (SELECT count(*) FROM looked) > :looked AS beyond
    FROM looked WHERE number <= :looked ORDER BY number DESC LIMIT 1
) AS edge LEFT JOIN page ON bytes <= :bytes
ORDER BY number;

-- name: logs_after
-- Lines after a position (without one, the first of all), oldest first; else as logs_before.
WITH looked AS (
    SELECT *, row_number() OVER (ORDER BY timestamp, id) AS number
    FROM (
        SELECT timestamp, id, level, logger, message FROM task_log
        WHERE task_id = :task_id AND sync_id = :sync_id
          AND timestamp >= coalesce(:since::timestamptz, '-infinity')
          AND (:line_id::uuid IS NULL OR (timestamp, id) > (:line_time::timestamptz, :line_id::uuid))
        ORDER BY timestamp, id LIMIT :looked + 1
    ) AS nearest
), page AS (
    SELECT *, count(*) OVER () AS found, sum(octet_length(row_to_json(wanted)::text)) OVER (ORDER BY number) AS bytes
    FROM (
        SELECT number, timestamp, id::text AS id, left(level, 100) AS level, left(logger, 300) AS logger,
               left(message, 33000) AS message
        FROM (
            SELECT * FROM looked
            WHERE number <= :looked AND upper(level) <> ALL(:hidden::text[])
              AND (:text = '' OR strpos(lower(left(message, 33000)), lower(:text)) > 0)
            ORDER BY number LIMIT :limit + 1
        ) AS fitting
    ) AS wanted
)
SELECT edge.timestamp AS edge_time, edge.id::text AS edge_id, beyond, page.*
FROM (
    SELECT timestamp, id, (SELECT count(*) FROM looked) > :looked AS beyond
    FROM looked WHERE number <= :looked ORDER BY number DESC LIMIT 1
) AS edge LEFT JOIN page ON bytes <= :bytes
ORDER BY number;

-- name: list_tasks
-- Newest first; the cursor is the (created_at, task_id) of the last row seen. As many as fit into so many bytes, one at
-- least: a connector may have written an error for each of its streams. `found` counts them with those that do not fit.
-- Only measured at first: what is left out is not kept in Postgres's memory either. Streams are added up, and listed
-- where they are few. Of started_by its trigger counts, if it is JSON with one: in the words of syncctl_task_started_by.
-- `tag` tells this answer from any other; where it is `known`, nothing but the tag is answered.
WITH newest AS MATERIALIZED (
    SELECT *, xmin AS written FROM $schema.syncctl_task
    WHERE (:sync_id = '' OR sync_id = :sync_id) AND (:state = '' OR state = :state)
      AND (:command = '' OR command = :command) AND (:package = '' OR package = :package)
      AND (:started_by = '' OR left(coalesce(substring(started_by FROM '"trigger" *: *"([^"]*)"'), started_by), 200)
                              = left(:started_by, 200))
      AND created_at >= coalesce(:begin::timestamptz, '-infinity')
      AND created_at < coalesce(:end::timestamptz, 'infinity')
      AND (:before_id = '' OR (created_at, task_id) < (:before_time::timestamptz, :before_id))
    ORDER BY created_at DESC, task_id DESC LIMIT :limit
), answer AS (
    SELECT md5(coalesce(string_agg(concat(task_id, ' ', written), ',' ORDER BY created_at DESC, task_id DESC), '')) AS tag
    FROM newest
)
SELECT tag, shown.*
FROM answer LEFT JOIN LATERAL (
    SELECT task_id, command, sync_id, storage_key, package, version, state, reason,
           CASE WHEN few THEN streams::text END AS streams, totals, started_by, created_at, started_at, updated_at,
           finished_at, failure::text AS failure, attempt, attempts::text AS attempts, data_plane, awaits,
           attempt_at, resume_at, waits_for, waits_since, estimate::text AS estimate, now() AS read_at, found
    FROM (
        SELECT *, count(*) OVER () AS found, row_number() OVER newest_first AS number,
               sum(size) OVER newest_first AS bytes
        FROM (
            SELECT newest.*, totals, few,
                   octet_length(concat(reason, CASE WHEN few THEN streams END, failure, attempts)) AS size
            FROM newest CROSS JOIN LATERAL (
                SELECT totals, total.streams <= :few AS few FROM (
                    SELECT coalesce(sum(number), 0) AS streams,
                           json_build_object(
                               'streams', coalesce(sum(number), 0), 'states', coalesce(json_object_agg(status, number), '{}'),
                               'emitted', coalesce(sum(emitted), 0), 'sent', coalesce(sum(sent), 0),
                               'stored', coalesce(sum(stored), 0), 'refused', coalesce(sum(refused), 0),
                               'bytes', coalesce(sum(bytes), 0))::text AS totals
                    FROM (
                        SELECT coalesce(value->>'status', '') AS status, count(*) AS number, sum((value->>'emitted')::numeric) AS emitted,
                               sum((value->>'sent')::numeric) AS sent, sum((value->>'stored')::numeric) AS stored,
                               sum((value->>'refused')::numeric) AS refused, sum((value->>'bytes')::numeric) AS bytes
                        FROM jsonb_each(newest.streams) GROUP BY 1
                    ) AS by_status
                ) AS total
            ) AS counted
            WHERE tag <> :known
        ) AS measured
        WINDOW newest_first AS (ORDER BY created_at DESC, task_id DESC)
    ) AS numbered
    WHERE bytes <= :bytes OR number = 1
) AS shown ON true
ORDER BY created_at DESC, task_id DESC;

-- name: task_tag
-- Tells what GET /tasks/<taskId> shows from anything that it has shown before: the versions of the rows that it is made
-- of, and its lines, by their ids.
SELECT md5(concat_ws(' ', t.xmin, r.xmin, d.xmin, (
    SELECT string_agg(id::text, ' ') FROM (
        SELECT id FROM task_log l
        WHERE l.task_id = t.task_id AND l.sync_id = t.sync_id
          AND (:line_id::uuid IS NULL OR (timestamp, id) < (:line_time::timestamptz, :line_id::uuid))
        ORDER BY timestamp DESC, id DESC LIMIT :limit + 1
    ) AS lines
))) AS tag
FROM $schema.syncctl_task t LEFT JOIN $schema.syncctl_result r ON r.task_id = t.task_id
     LEFT JOIN $schema.syncctl_task d ON d.task_id = t.awaits
WHERE t.task_id = :task_id;

-- name: get_task
-- A run that waits for its discovery says what that waits for. Streams are added up as in list_tasks.
SELECT t.task_id, command, sync_id, storage_key, package, version, state,
       concat_ws(' ', reason, (SELECT nullif(d.reason, '') FROM $schema.syncctl_task d
                               WHERE d.task_id = t.awaits AND d.state = 'PENDING' AND t.state = 'PENDING')) AS reason,
       t.streams::text AS streams, totals, started_by, created_at, started_at, updated_at, finished_at,
       failure::text AS failure, attempt, attempts::text AS attempts, data_plane, r.result::text AS result,
       schema_changes::text AS schema_changes, wanted::text AS wanted, rates::text AS rates,
       awaits, attempt_at, resume_at, waits_for, waits_since, estimate::text AS estimate, now() AS read_at
FROM $schema.syncctl_task t LEFT JOIN $schema.syncctl_result r ON r.task_id = t.task_id
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(number), 0) AS streams,
               json_build_object(
                   'streams', coalesce(sum(number), 0), 'states', coalesce(json_object_agg(status, number), '{}'),
                   'emitted', coalesce(sum(emitted), 0), 'sent', coalesce(sum(sent), 0),
                   'stored', coalesce(sum(stored), 0), 'refused', coalesce(sum(refused), 0),
                   'bytes', coalesce(sum(bytes), 0))::text AS totals
        FROM (
            SELECT coalesce(value->>'status', '') AS status, count(*) AS number, sum((value->>'emitted')::numeric) AS emitted,
                   sum((value->>'sent')::numeric) AS sent, sum((value->>'stored')::numeric) AS stored,
                   sum((value->>'refused')::numeric) AS refused, sum((value->>'bytes')::numeric) AS bytes
            FROM jsonb_each(t.streams) GROUP BY 1
        ) AS by_status
     ) AS total
WHERE t.task_id = :task_id;

-- name: task_versions
-- What is another text once anything of what get_task shows is another, its last line included: which transaction wrote the rows
-- (xmin), and the newest line.
SELECT t.task_id, concat(t.xmin, '.', d.xmin, r.xmin, '.', newest.id) AS revision, t.updated_at,
       t.state NOT IN ('PENDING', 'RUNNING') AS over
FROM $schema.syncctl_task t
LEFT JOIN $schema.syncctl_task d ON d.task_id = t.awaits
LEFT JOIN $schema.syncctl_result r ON r.task_id = t.task_id
LEFT JOIN LATERAL (SELECT id FROM task_log l WHERE l.sync_id = t.sync_id AND l.task_id = t.task_id
                   ORDER BY timestamp DESC, id DESC LIMIT 1) AS newest ON true
WHERE t.task_id = ANY(:task_ids::text[]);

-- name: active_pods
-- For the sweep: the pods that should be in this data plane. A row without a data plane may be anybody's. A run that
-- waits for its streams has no pod yet.
SELECT pod_name FROM $schema.syncctl_task
WHERE state IN ('PENDING', 'RUNNING') AND (data_plane = :data_plane OR data_plane IS NULL) AND awaits IS NULL;

-- name: active_tasks
-- For the sweep: the rows of these pods of this data plane.
SELECT task_id, command, sync_id, storage_key, package, version, pod_name, state, reason, started_by, attempt, proposal,
       table_name_prefix, request_hash = '' AS adopted, extract(epoch FROM created_at)::bigint AS started_at,
       extract(epoch FROM now() - created_at)::float AS age_seconds,
       extract(epoch FROM now() - updated_at)::float AS idle_seconds
FROM $schema.syncctl_task
WHERE state IN ('PENDING', 'RUNNING') AND pod_name = ANY(:pod_names::text[])
  AND (data_plane = :data_plane OR data_plane IS NULL) AND awaits IS NULL
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

-- name: last_runs
-- For the sweep, of all declared syncs at once: their last reads, last successes, and the newest moments of their
-- schedules that runs were begun for.
SELECT asked.sync_id, last.task_id, last.state, last.reason, success.task_id AS success_id,
       success.finished_at AS success_at, timed.moment
FROM unnest(:sync_ids::text[]) AS asked (sync_id)
LEFT JOIN LATERAL (
    SELECT task_id, state, left(reason, 2000) AS reason FROM $schema.syncctl_task t
    WHERE t.sync_id = asked.sync_id AND command = 'read' ORDER BY created_at DESC, accepted_at DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT task_id, finished_at FROM $schema.syncctl_task t
    WHERE t.sync_id = asked.sync_id AND command = 'read' AND state = 'SUCCESS' ORDER BY finished_at DESC LIMIT 1
) AS success ON true
LEFT JOIN LATERAL (
    SELECT moment FROM $schema.syncctl_task t
    WHERE t.sync_id = asked.sync_id AND moment IS NOT NULL ORDER BY moment DESC LIMIT 1
) AS timed ON true;

-- name: known_tasks
SELECT task_id FROM $schema.syncctl_task WHERE task_id = ANY(:task_ids::text[]);

-- name: discovery_of
-- The newest discovery of this image and configuration that is not too old, else the one that goes on.
(SELECT task_id, 0 AS later FROM $schema.syncctl_task t
 WHERE command = 'discover' AND state = 'SUCCESS' AND storage_key = :storage_key AND package = :package
   AND version = :version AND finished_at > now() - :hours * interval '1 hour'
   AND EXISTS (SELECT FROM $schema.syncctl_result r WHERE r.task_id = t.task_id)
 ORDER BY finished_at DESC LIMIT 1)
UNION ALL
(SELECT task_id, 1 FROM $schema.syncctl_task
 WHERE command = 'discover' AND state IN ('PENDING', 'RUNNING') AND storage_key = :storage_key AND package = :package
   AND version = :version LIMIT 1)
ORDER BY later LIMIT 1;

-- name: begin_run
-- What makes a new row of a read that of a run.
UPDATE $schema.syncctl_task
SET awaits = :awaits, wanted = :wanted::jsonb, moment = :moment, reason = :reason
WHERE task_id = :task_id;

-- name: await_discovery
UPDATE $schema.syncctl_task SET awaits = :awaits, reason = :reason, waits_for = NULL, updated_at = now()
WHERE task_id = :task_id AND awaits IS NOT NULL AND state = 'PENDING';

-- name: waiting_runs
-- The runs of this data plane that are not handed to a pod yet, with the discoveries that they wait for; or one of them.
SELECT t.task_id, t.command, t.sync_id, t.package, t.version, t.started_by, t.state, t.request_hash, t.awaits,
       t.wanted::text AS wanted, extract(epoch FROM t.created_at)::bigint AS started_at,
       extract(epoch FROM now() - t.attempt_at)::float AS begun_seconds, t.reason,
       d.state AS found_state, d.reason AS found_reason, d.failure::text AS found_failure,
       d.storage_key AS found_key, extract(epoch FROM now() - d.finished_at)::float AS found_seconds
FROM $schema.syncctl_task t LEFT JOIN $schema.syncctl_task d ON d.task_id = t.awaits
WHERE t.awaits IS NOT NULL AND t.state IN ('PENDING', 'RUNNING') AND t.data_plane = :data_plane
  AND (:task_id = '' OR t.task_id = :task_id)
ORDER BY t.created_at LIMIT :limit;

-- name: wanted_of
SELECT wanted::text AS wanted FROM $schema.syncctl_task WHERE task_id = :task_id AND wanted IS NOT NULL;

-- name: lock_waiting_run
SELECT request_hash FROM $schema.syncctl_task
WHERE task_id = :task_id AND awaits = :awaits AND state = 'PENDING' FOR UPDATE;

-- name: prepare_run
-- What its pod will be given is decided. The pod is not there yet, so it still waits.
UPDATE $schema.syncctl_task
SET package = :package, version = :version, pod_name = :pod_name, request_hash = :request_hash,
    given_hash = :given_hash, table_name_prefix = :table_name_prefix, discovery = awaits,
    schema_changes = :schema_changes::jsonb, reason = '', accepted_at = now(), attempt_at = now(), updated_at = now()
WHERE task_id = :task_id;

-- name: announce_image
UPDATE source_task SET package = :package, version = :version WHERE task_id = :task_id AND status = 'RUNNING';

-- name: release_run
-- Its pod is there, and is judged like any other.
UPDATE $schema.syncctl_task
SET awaits = NULL, reason = CASE state WHEN 'PENDING' THEN '' ELSE reason END, waits_for = NULL, updated_at = now()
WHERE task_id = :task_id AND awaits IS NOT NULL AND state IN ('PENDING', 'RUNNING');

-- name: discovered
-- What a discovery has found, and what the sync's last run before this one was made from.
SELECT own.result::text AS found, before.discovery AS before_id, earlier.result::text AS before
FROM $schema.syncctl_result own
LEFT JOIN LATERAL (
    SELECT discovery FROM $schema.syncctl_task
    WHERE sync_id = :sync_id AND command = 'read' AND discovery IS NOT NULL AND task_id <> :task_id
    ORDER BY created_at DESC LIMIT 1
) AS before ON true
LEFT JOIN $schema.syncctl_result earlier ON earlier.task_id = before.discovery AND before.discovery <> own.task_id
WHERE own.task_id = :discovery;

-- name: waiting_of_data_plane
SELECT task_id FROM $schema.syncctl_task
WHERE awaits IS NOT NULL AND state IN ('PENDING', 'RUNNING') AND data_plane = :data_plane;

-- name: sync_ids
-- Of all reads, each once, those after an id: from one to the next in the index, however many tasks each has.
WITH RECURSIVE found AS (
    (SELECT sync_id FROM $schema.syncctl_task WHERE sync_id > :after ORDER BY sync_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.sync_id FROM $schema.syncctl_task t WHERE t.sync_id > found.sync_id ORDER BY t.sync_id LIMIT 1)
    FROM found WHERE found.sync_id IS NOT NULL
)
SELECT sync_id FROM found WHERE sync_id IS NOT NULL LIMIT :limit;

-- name: newest_reads
-- The newest reads of each of these syncs, as JSON: an object of arrays. One look into the index a sync; what the streams
-- came to is added up only where the caller does not have the answer already: where its `tag`, as in list_tasks, is
-- another one than the `known`. Postgres makes the JSON, since there may be ten thousands of reads.
WITH newest AS MATERIALIZED (
    SELECT number, last.* FROM unnest(:sync_ids::text[]) WITH ORDINALITY AS asked (id, number) CROSS JOIN LATERAL (
        SELECT sync_id, task_id, state, created_at, started_at, finished_at, accepted_at, streams, xmin AS written
        FROM $schema.syncctl_task t
        WHERE t.sync_id = asked.id AND command = 'read' ORDER BY created_at DESC, accepted_at DESC LIMIT :most
    ) AS last
), answer AS (
    SELECT md5(coalesce(string_agg(concat(task_id, ' ', written), ',' ORDER BY number, created_at DESC, task_id), '')) AS tag
    FROM newest
)
SELECT tag, runs
FROM answer LEFT JOIN LATERAL (
    SELECT json_object_agg(sync_id, reads ORDER BY sync_id)::text AS runs FROM (
        SELECT sync_id, json_agg(json_build_object(
                   'taskId', task_id, 'state', state,
                   'createdAt', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   'startedAt', to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   'finishedAt', to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   'emitted', emitted, 'stored', stored) ORDER BY created_at DESC, accepted_at DESC) AS reads
        FROM newest CROSS JOIN LATERAL (
            SELECT coalesce(sum((account ->> 'emitted')::numeric), 0) AS emitted,
                   coalesce(sum((account ->> 'stored')::numeric), 0) AS stored
            FROM jsonb_each(streams) AS accounts (stream, account)
        ) AS total
        WHERE tag <> :known
        GROUP BY sync_id
    ) AS by_sync
) AS shown ON true;

-- name: streams_of_sync
-- By its last twenty reads: each stream's status, rows and bytes in the newest one that had it, and the end of the newest
-- one that stored rows of it. `tag` and `known`: as in list_tasks.
WITH last_reads AS MATERIALIZED (
    SELECT task_id, streams, created_at, coalesce(finished_at, updated_at) AS ended_at, xmin AS written
    FROM $schema.syncctl_task WHERE sync_id = :sync_id AND command = 'read' ORDER BY created_at DESC LIMIT 20
), answer AS (
    SELECT md5(coalesce(string_agg(concat(task_id, ' ', written), ',' ORDER BY created_at DESC, task_id), '')) AS tag
    FROM last_reads
)
SELECT tag, by_stream.*
FROM answer LEFT JOIN LATERAL (
    SELECT stream, (array_agg(account ->> 'status' ORDER BY created_at DESC))[1] AS status,
           (array_agg((account ->> 'stored')::numeric ORDER BY created_at DESC))[1]::bigint AS rows,
           (array_agg((account ->> 'bytes')::numeric ORDER BY created_at DESC))[1]::bigint AS bytes,
           max(ended_at) FILTER (WHERE (account ->> 'stored')::numeric > 0) AS last_record
    FROM last_reads, jsonb_each(streams) AS accounts (stream, account)
    WHERE tag <> :known
    GROUP BY stream ORDER BY stream LIMIT 2000
) AS by_stream ON true
ORDER BY stream;

-- name: task_to_cancel
SELECT task_id, command, sync_id, storage_key, package, version, pod_name, state, started_by, data_plane,
       extract(epoch FROM created_at)::bigint AS started_at
FROM $schema.syncctl_task WHERE task_id = :task_id;

-- name: lock_retention
-- Where the removal of old tasks has come to. No row while it rests, or while another sweeper goes on with it.
SELECT sync_id, created_at::text AS created_at, task_id FROM $schema.syncctl_retention
WHERE due_at <= now() FOR UPDATE SKIP LOCKED;

-- name: move_retention
UPDATE $schema.syncctl_retention
SET sync_id = :sync_id, created_at = :created_at::timestamptz, task_id = :task_id;

-- name: rest_retention
UPDATE $schema.syncctl_retention
SET sync_id = '', created_at = '-infinity', task_id = '', due_at = now() + :seconds * interval '1 second';

-- name: old_tasks
-- Of these syncs ('' has the tasks without one, which no number limits), after a position in the first of them: the tasks
-- beyond the limits, the oldest first. A task ended two days ago at least: a repeated request finds its row, and so does a
-- sidecar that its end does not reach. `needed`: see docs/how-to/operate.md; a size instead of a value, because to
-- compare streams would unpack them (an empty object has 8 bytes at most).
SELECT task_id, sync_id, created_at::text AS created_at, request_hash <> '' AS ours,
    task_id = ANY(:running::text[])
    OR EXISTS (SELECT FROM $schema.syncctl_task run WHERE coalesce(run.awaits, run.discovery) = old.task_id)
    OR EXISTS (SELECT FROM $schema.syncctl_task before
               WHERE before.task_id = CASE WHEN old.wanted IS NOT NULL THEN old.started_by::jsonb ->> 'after' END)
    OR command = 'read' AND (
        NOT EXISTS (SELECT FROM $schema.syncctl_task t WHERE t.sync_id = old.sync_id AND t.command = 'read'
                    AND (t.created_at, t.accepted_at) > (old.created_at, old.accepted_at))
        -- As syncctl_write_events looks for it: how the sync ended before the read that goes on, or comes.
        OR state <> 'CANCELLED' AND NOT EXISTS (
            SELECT FROM $schema.syncctl_task t WHERE t.sync_id = old.sync_id AND t.command = 'read'
            AND t.state IN ('SUCCESS', 'PARTIAL', 'FAILED')
            AND (t.created_at, t.accepted_at) > (old.created_at, old.accepted_at))
        OR state = 'SUCCESS' AND NOT EXISTS (
            SELECT FROM $schema.syncctl_task t WHERE t.sync_id = old.sync_id AND t.command = 'read'
            AND t.state = 'SUCCESS' AND t.finished_at > old.finished_at)
        OR moment IS NOT NULL AND NOT EXISTS (
            SELECT FROM $schema.syncctl_task t WHERE t.sync_id = old.sync_id AND t.moment > old.moment)
        OR discovery IS NOT NULL AND NOT EXISTS (
            SELECT FROM $schema.syncctl_task t WHERE t.sync_id = old.sync_id AND t.command = 'read'
            AND t.created_at > old.created_at AND t.discovery IS NOT NULL)
        OR pg_column_size(streams) > 8 AND NOT EXISTS (
            SELECT FROM $schema.syncctl_task t WHERE t.sync_id = old.sync_id AND t.command = 'read'
            AND t.created_at > old.created_at AND pg_column_size(t.streams) > 8)
    ) AS needed
FROM (
    SELECT asked.number, t.* FROM unnest(:sync_ids::text[]) WITH ORDINALITY AS asked (sync_id, number)
    LEFT JOIN LATERAL (
        SELECT created_at FROM $schema.syncctl_task n WHERE n.sync_id = asked.sync_id
        ORDER BY n.created_at DESC OFFSET :tasks_per_sync::int - 1 LIMIT 1
    ) AS last_kept ON asked.sync_id <> '' AND :tasks_per_sync > 0
    CROSS JOIN LATERAL (
        SELECT * FROM $schema.syncctl_task t WHERE t.sync_id = asked.sync_id
        AND (t.created_at, t.task_id) > (CASE asked.number WHEN 1 THEN :created_at::timestamptz ELSE '-infinity' END,
                                         CASE asked.number WHEN 1 THEN :task_id ELSE '' END)
        AND t.created_at < greatest(now() - :days::int * interval '1 day', last_kept.created_at)
        AND t.state NOT IN ('PENDING', 'RUNNING') AND coalesce(t.finished_at, t.updated_at) < now() - interval '2 days'
        AND (coalesce(t.finished_at, t.updated_at) < now() - :days::int * interval '1 day'
             OR t.created_at < last_kept.created_at)
        ORDER BY t.created_at, t.task_id LIMIT :most
    ) AS t
    ORDER BY asked.number, t.created_at, t.task_id LIMIT :most
) AS old
ORDER BY number, old.created_at, old.task_id;

-- name: lock_old_tasks
-- Without those that another session holds.
SELECT task_id, sync_id FROM $schema.syncctl_task
WHERE task_id = ANY(:task_ids::text[]) ORDER BY task_id FOR UPDATE SKIP LOCKED;

-- name: remove_log_lines
-- Of these tasks, at most so many, each task's oldest first.
WITH removed AS (
    DELETE FROM task_log WHERE id IN (
        SELECT line.id FROM unnest(:task_ids::text[], :sync_ids::text[]) AS old (task_id, sync_id), LATERAL (
            SELECT id FROM task_log l WHERE l.sync_id = old.sync_id AND l.task_id = old.task_id
            ORDER BY timestamp LIMIT :most
        ) AS line LIMIT :most)
    RETURNING 1
)
SELECT count(*) AS removed FROM removed;

-- name: remove_callers_rows
-- What these tasks wrote there, unless a later run has written over it. A specification stays: it is one for each image,
-- and tells which values are secret.
WITH old AS (
    SELECT task_id, command, storage_key, package, version, created_at FROM $schema.syncctl_task
    WHERE task_id = ANY(:task_ids::text[])
), reads AS (
    DELETE FROM source_task s USING old
    WHERE old.command = 'read' AND s.task_id = old.task_id AND s.status <> 'RUNNING'
), checks AS (
    DELETE FROM source_check s USING old
    WHERE old.command = 'check' AND s.key = old.storage_key AND s.timestamp = old.created_at AND s.status <> 'RUNNING'
)
DELETE FROM source_catalog s USING old
WHERE old.command = 'discover' AND s.package = old.package AND s.version = old.version AND s.key = old.storage_key
  AND s.timestamp = old.created_at AND s.status <> 'RUNNING';

-- name: remove_tasks
-- Their results go with them.
DELETE FROM $schema.syncctl_task WHERE task_id = ANY(:task_ids::text[]);

-- name: remove_sweeps
-- Of data planes that are gone; one with active tasks is shown until somebody ends them.
DELETE FROM $schema.syncctl_sweep s
WHERE swept_at < now() - :days * interval '1 day' AND NOT EXISTS (
    SELECT FROM $schema.syncctl_task t WHERE t.data_plane = s.data_plane AND t.state IN ('PENDING', 'RUNNING'));

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

-- name: missing_function_rights
-- What the functions' user lacks on the tables that are there, in the same words. docs/how-to/operate.md has the same
-- list as grants.
SELECT 'permission denied for schema ' || nspname || ' (USAGE)' AS words FROM pg_namespace
WHERE nspname = ANY (SELECT btrim(name, ' "') FROM unnest(string_to_array(current_setting('search_path'), ',')) AS name)
  AND NOT has_schema_privilege(oid, 'USAGE')
UNION ALL
SELECT 'permission denied for table ' || relname || ' (' || string_agg(verb, ', ' ORDER BY position) || ')'
FROM (
    SELECT to_regclass(name)::oid AS oid, verbs
    FROM (VALUES
        ('source_state', 'SELECT INSERT UPDATE DELETE'), ('source_task', 'SELECT INSERT UPDATE'),
        ('source_spec', 'SELECT INSERT UPDATE'), ('source_check', 'SELECT INSERT UPDATE'),
        ('source_catalog', 'SELECT INSERT UPDATE'), ('task_log', 'SELECT INSERT DELETE')
    ) AS callers (name, verbs)
    UNION ALL
    SELECT oid, 'SELECT INSERT UPDATE DELETE' FROM pg_class
    WHERE relnamespace = to_regnamespace('$schema') AND relkind = 'r'
) AS needed
JOIN pg_class ON pg_class.oid = needed.oid
CROSS JOIN string_to_table(verbs, ' ') WITH ORDINALITY AS one (verb, position)
WHERE NOT CASE verb WHEN 'DELETE' THEN has_table_privilege(pg_class.oid, verb)
                    ELSE has_any_column_privilege(pg_class.oid, verb) END
GROUP BY relname
UNION ALL
SELECT 'permission denied for sequence ' || relname || ' (USAGE)' FROM pg_class
WHERE relnamespace = to_regnamespace('$schema') AND relkind = 'S' AND relname = 'syncctl_sweep_number'
  AND NOT has_sequence_privilege(oid, 'USAGE');

-- name: missing_tables
-- The caller's tables that the search_path does not find.
SELECT name FROM unnest(:names::text[]) AS name WHERE to_regclass(name) IS NULL;

-- name: applied_version
SELECT max(version) AS version FROM $schema.syncctl_migration;

-- name: server
-- Seats are connections: how many there are for a user without privileges, and how many sessions hold one now.
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
       current_user::text AS user_name, pg_is_in_recovery() AS standby,
       current_setting('transaction_read_only')::bool AS read_only,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0) AS seats,
       (SELECT sum(numbackends) FROM pg_stat_database)::int AS taken,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS user_limit,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
       extract(epoch FROM clock_timestamp())::float AS clock;

-- name: ours_exist
-- Another controller's database has only the caller's tables; an earlier version's functions have not made all columns.
SELECT to_regclass('$schema.syncctl_task') IS NOT NULL AS ours,
       EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = to_regclass('$schema.syncctl_task') AND attname = 'rates' AND NOT attisdropped
                 AND has_column_privilege(attrelid, attnum, 'UPDATE')) AS rates;

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

-- name: discard_events
-- Of this data plane, where nothing is to hear of them: a part at a time, as there may be many once a target is removed.
DELETE FROM $schema.syncctl_event WHERE id IN (
    SELECT id FROM $schema.syncctl_event WHERE data_plane = :data_plane OR data_plane IS NULL ORDER BY id LIMIT 10000);

-- name: any_events
SELECT 1 FROM $schema.syncctl_event LIMIT 1;

-- name: due_targets
SELECT DISTINCT d.target FROM $schema.syncctl_delivery d JOIN $schema.syncctl_event e ON e.id = d.event
WHERE d.next_at <= now() AND (e.data_plane = :data_plane OR e.data_plane IS NULL);

-- name: drop_overtaken_progress
-- Of which a later event of its task has come before it was sent: a target that is away for long misses counts alone.
DELETE FROM $schema.syncctl_event WHERE id IN (
    SELECT id FROM $schema.syncctl_event e
    WHERE type = :type AND (data_plane = :data_plane OR data_plane IS NULL) AND EXISTS (
        SELECT FROM $schema.syncctl_event later
        WHERE later.task_id = e.task_id AND later.sync_id = e.sync_id AND later.id > e.id)
    LIMIT 10000);

-- name: give_up_deliveries
-- What has become too old, and what is for targets that are not there any more.
DELETE FROM $schema.syncctl_delivery d USING $schema.syncctl_event e
WHERE e.id = d.event AND (e.data_plane = :data_plane OR e.data_plane IS NULL)
  AND (e.at < now() - interval '1 day' OR d.target <> ALL(:targets::text[]))
RETURNING d.target, d.error, e.event_id;

-- name: drop_done_events
-- Those that nothing is left to send of; and what was left by a data plane that nobody sweeps any more.
DELETE FROM $schema.syncctl_event e
WHERE CASE WHEN data_plane = :data_plane OR data_plane IS NULL
           THEN spread AND NOT EXISTS (SELECT FROM $schema.syncctl_delivery d WHERE d.event = e.id)
           ELSE at < now() - interval '7 days' END;

-- name: new_events
-- Locked, in one order: of two sweeps one waits, as a later event of a task must not be spread before an earlier one.
SELECT id AS number, event_id, type, task_id, sync_id, data_plane, at, previous, data::text AS data, 0 AS attempts
FROM $schema.syncctl_event WHERE NOT spread AND (data_plane = :data_plane OR data_plane IS NULL)
ORDER BY id LIMIT :limit FOR UPDATE;

-- name: spread_events
WITH looked_at AS (UPDATE $schema.syncctl_event SET spread = true WHERE id = ANY(:looked_at::bigint[]))
INSERT INTO $schema.syncctl_delivery (target, event) SELECT * FROM unnest(:targets::text[], :events::bigint[])
ON CONFLICT DO NOTHING;

-- name: claim_deliveries
-- The oldest of each task that is due. The pause to the next attempt begins now, so that to die while sending is to fail.
-- It grows, and is longer than an attempt may take.
WITH fresh AS (
    -- What was never tried comes first: a target that refuses one sync's events must not starve those of others. Looked
    -- for in the order of the key, so that of thousands a few are looked at.
    SELECT d.event FROM $schema.syncctl_delivery d JOIN LATERAL (
        SELECT task_id, sync_id, id FROM $schema.syncctl_event
        WHERE id = d.event AND (data_plane = :data_plane OR data_plane IS NULL) OFFSET 0) AS e ON true
    WHERE d.target = :target AND d.attempts = 0 AND d.next_at <= now()
      AND NOT EXISTS (
          SELECT FROM $schema.syncctl_event before
          JOIN $schema.syncctl_delivery waits ON waits.event = before.id AND waits.target = d.target
          WHERE before.task_id = e.task_id AND before.sync_id = e.sync_id AND before.id < e.id OFFSET 0)
    ORDER BY d.event LIMIT :limit FOR UPDATE OF d SKIP LOCKED
), again AS (
    SELECT d.event FROM $schema.syncctl_delivery d JOIN $schema.syncctl_event e ON e.id = d.event
    WHERE d.target = :target AND d.attempts > 0 AND d.next_at <= now()
      AND (e.data_plane = :data_plane OR e.data_plane IS NULL)
      AND NOT EXISTS (
          SELECT FROM $schema.syncctl_event before
          JOIN $schema.syncctl_delivery waits ON waits.event = before.id AND waits.target = d.target
          WHERE before.task_id = e.task_id AND before.sync_id = e.sync_id AND before.id < e.id)
    ORDER BY d.attempts, d.event LIMIT :limit - (SELECT count(*) FROM fresh) FOR UPDATE OF d SKIP LOCKED
), due AS (
    SELECT event FROM fresh UNION ALL SELECT event FROM again
)
UPDATE $schema.syncctl_delivery d
SET attempts = attempts + 1, next_at = now() + least(10 * 2 ^ least(attempts, 10), 600) * interval '1 second'
FROM due JOIN $schema.syncctl_event e ON e.id = due.event
WHERE d.event = due.event AND d.target = :target
RETURNING e.id AS number, event_id, type, task_id, sync_id, data_plane, at, previous, data::text AS data, d.attempts;

-- name: end_deliveries
DELETE FROM $schema.syncctl_delivery WHERE target = :target AND event = ANY(:events::bigint[]);

-- name: note_delivery_errors
UPDATE $schema.syncctl_delivery d SET error = failed.error
FROM unnest(:events::bigint[], :errors::text[]) AS failed (event, error)
WHERE d.target = :target AND d.event = failed.event;

-- name: deliveries_failed
SELECT EXISTS (
    SELECT FROM $schema.syncctl_delivery d JOIN $schema.syncctl_event e ON e.id = d.event
    WHERE d.error <> '' AND (e.data_plane = :data_plane OR e.data_plane IS NULL)) AS yes;

-- name: noted_skipped
SELECT sync_id, moment FROM $schema.syncctl_skipped WHERE sync_id = ANY(:sync_ids::text[]);

-- name: write_skipped
-- The one event that no trigger writes: it is about no row. Of several sweeps one wins.
WITH noted AS (
    INSERT INTO $schema.syncctl_skipped AS s (sync_id, moment) VALUES (:sync_id, :moment)
    ON CONFLICT (sync_id) DO UPDATE SET moment = excluded.moment WHERE s.moment < excluded.moment
    RETURNING 1
)
INSERT INTO $schema.syncctl_event (event_id, type, sync_id, data_plane, data)
SELECT :event_id, 'dev.sync-functions.sync.skipped.v1', :sync_id, :data_plane,
       jsonb_build_object('syncId', :sync_id::text, 'sync', :sync::text, 'moments', to_jsonb(:moments::text[]),
                          'more', :more::bool, 'dataPlane', :data_plane::text)
FROM noted ON CONFLICT DO NOTHING;
-- name: mark_counted
-- Tasks that have ended and are not in the sums yet; the caller of this adds them. Locked in one order, as ends are.
WITH mine AS (
    SELECT task_id FROM $schema.syncctl_task
    WHERE task_id = ANY(:task_ids::text[]) AND NOT counted AND state NOT IN ('PENDING', 'RUNNING')
    ORDER BY task_id FOR UPDATE
)
UPDATE $schema.syncctl_task t SET counted = true FROM mine WHERE t.task_id = mine.task_id
RETURNING t.task_id;

-- name: measures
-- What tasks come to, as a JSON array; the columns are fields of common.store.totals.Measure.
SELECT coalesce(json_agg(m), '[]')::text AS measures
FROM $schema.syncctl_task_measure m WHERE task_id = ANY(:task_ids::text[]);

-- name: uncounted
-- Tasks that have ended and are in no sum yet, oldest first; cancelled ones once their sidecars have had the time to say
-- what their reads came to (account_cancelled).
SELECT task_id FROM $schema.syncctl_task
WHERE NOT counted AND finished_at <= now() - CASE state WHEN 'CANCELLED' THEN :grace_seconds::float8 ELSE 0 END
                                           * interval '1 second'
ORDER BY finished_at LIMIT :limit;

-- name: add_ended
INSERT INTO $schema.syncctl_task_total AS t (command, state, kind, origin, tasks)
SELECT * FROM unnest(:commands::text[], :states::text[], :kinds::text[], :origins::text[], :tasks::bigint[])
ON CONFLICT (command, state, kind, origin) DO UPDATE SET tasks = t.tasks + excluded.tasks;

-- name: add_seconds
INSERT INTO $schema.syncctl_task_seconds AS t (measure, command, state, le, tasks, seconds)
SELECT * FROM unnest(:measures::text[], :commands::text[], :states::text[], :les::text[], :tasks::bigint[],
                     :seconds::float8[])
ON CONFLICT (measure, command, state, le) DO UPDATE
SET tasks = t.tasks + excluded.tasks, seconds = t.seconds + excluded.seconds;

-- name: add_retries
INSERT INTO $schema.syncctl_retry_total AS t (kind, origin, retries)
SELECT * FROM unnest(:kinds::text[], :origins::text[], :retries::bigint[])
ON CONFLICT (kind, origin) DO UPDATE SET retries = t.retries + excluded.retries;

-- name: add_syncs
INSERT INTO $schema.syncctl_sync_total AS t (sync_id, rows, bytes, last_run_at, last_state, last_success_at)
SELECT * FROM unnest(:sync_ids::text[], :rows::bigint[], :bytes::bigint[], :runs::timestamptz[], :states::text[],
                     :successes::timestamptz[])
ON CONFLICT (sync_id) DO UPDATE
SET rows = t.rows + excluded.rows, bytes = t.bytes + excluded.bytes,
    last_state = CASE WHEN excluded.last_run_at >= t.last_run_at THEN excluded.last_state ELSE t.last_state END,
    last_run_at = greatest(t.last_run_at, excluded.last_run_at),
    last_success_at = greatest(t.last_success_at, excluded.last_success_at);

-- name: totals
-- All sums and what is to be added to them, in one statement: what one sees is neither missed nor counted twice while a
-- sweep adds it. Rows that are not in the sums are few; oldest ends first, so that no number goes back where they are not.
-- What such a row is added to is there, however many other syncs were read since.
SELECT json_build_object(
    'ended', (SELECT coalesce(json_agg(t), '[]') FROM $schema.syncctl_task_total t),
    'seconds', (SELECT coalesce(json_agg(t), '[]') FROM $schema.syncctl_task_seconds t),
    'retries', (SELECT coalesce(json_agg(t), '[]') FROM $schema.syncctl_retry_total t),
    'syncs', (SELECT coalesce(json_agg(t), '[]') FROM (
        (SELECT * FROM $schema.syncctl_sync_total ORDER BY last_run_at DESC LIMIT :syncs)
        UNION
        SELECT * FROM $schema.syncctl_sync_total WHERE sync_id IN (
            SELECT sync_id FROM $schema.syncctl_task WHERE NOT counted ORDER BY finished_at LIMIT :tasks)) AS t),
    'uncounted', (SELECT coalesce(json_agg(m), '[]') FROM (
        SELECT * FROM $schema.syncctl_task_measure WHERE NOT counted ORDER BY finished_at LIMIT :tasks) AS m),
    'sweeps', (SELECT coalesce(json_agg(s), '[]') FROM (
        SELECT data_plane, swept_at, seconds, pods, unreadable FROM $schema.syncctl_sweep) AS s),
    'since', (SELECT applied_at FROM $schema.syncctl_migration WHERE version = 15),
    'now', now()
)::text AS totals;
