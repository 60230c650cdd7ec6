-- What ended tasks came to, summed up: numbers that go on when the tasks' rows are removed (common/store/totals.py).

-- Whether a task's row is in the sums. Those that had ended before this migration are not, and never will be: the sums
-- begin here.
ALTER TABLE syncctl_task ADD COLUMN counted boolean NOT NULL DEFAULT true;
ALTER TABLE syncctl_task ALTER COLUMN counted SET DEFAULT false;
UPDATE syncctl_task SET counted = false WHERE state IN ('PENDING', 'RUNNING');
-- All that go on, and the few that ended since the last sweep.
CREATE INDEX syncctl_task_uncounted ON syncctl_task (finished_at) WHERE NOT counted;

-- What each row comes to. A row that was adopted, or never ran, has no start_delay; one that never ran, no duration.
CREATE VIEW syncctl_task_measure AS
SELECT t.task_id, t.command, t.state, t.counted, t.sync_id, t.created_at, t.finished_at,
       t.state NOT IN ('PENDING', 'RUNNING') AS ended,
       coalesce(t.failure ->> 'kind', '') AS kind, coalesce(t.failure ->> 'origin', '') AS origin,
       CASE WHEN t.started_at >= t.accepted_at THEN extract(epoch FROM t.started_at - t.accepted_at)::float8
       END AS start_delay,
       CASE WHEN t.finished_at >= t.started_at THEN extract(epoch FROM t.finished_at - t.started_at)::float8
       END AS duration,
       t.attempts AS retries,
       CASE WHEN t.state = 'PENDING'
            THEN extract(epoch FROM now() - CASE t.attempt WHEN 1 THEN t.created_at ELSE t.attempt_at END)::float8
       END AS pending_seconds,
       sums.rows, sums.bytes
FROM syncctl_task t
LEFT JOIN LATERAL (
    -- Of what goes on no rows are counted: a retry would take them back.
    SELECT coalesce(sum((account ->> 'stored')::numeric), 0)::bigint AS rows,
           coalesce(sum((account ->> 'bytes')::numeric), 0)::bigint AS bytes
    FROM jsonb_each(CASE WHEN t.command = 'read' AND t.state NOT IN ('PENDING', 'RUNNING') THEN t.streams ELSE '{}'::jsonb
                    END) AS accounts (stream, account)
) AS sums ON true;

-- How often tasks ended; kind and origin are '' for a success.
CREATE TABLE syncctl_task_total (
    command text NOT NULL,
    state   text NOT NULL,
    kind    text NOT NULL,
    origin  text NOT NULL,
    tasks   bigint NOT NULL,
    PRIMARY KEY (command, state, kind, origin)
);

-- Histograms: how many tasks took at most `le` seconds (a number, or +Inf), but more than the one before, and their
-- seconds together.
CREATE TABLE syncctl_task_seconds (
    -- duration, or start_delay, which has no state.
    measure text NOT NULL,
    command text NOT NULL,
    state   text NOT NULL,
    le      text NOT NULL,
    tasks   bigint NOT NULL,
    seconds float8 NOT NULL,
    PRIMARY KEY (measure, command, state, le)
);

-- Attempts that were followed by another one, by why they had ended.
CREATE TABLE syncctl_retry_total (
    kind    text NOT NULL,
    origin  text NOT NULL,
    retries bigint NOT NULL,
    PRIMARY KEY (kind, origin)
);

-- Of each sync's reads: what they stored, and when the newest one that has ended began.
CREATE TABLE syncctl_sync_total (
    sync_id         text PRIMARY KEY,
    rows            bigint NOT NULL,
    bytes           bigint NOT NULL,
    last_run_at     timestamptz NOT NULL,
    last_state      text NOT NULL,
    last_success_at timestamptz
);
CREATE INDEX syncctl_sync_total_last ON syncctl_sync_total (last_run_at DESC);

-- The syncs of before, so that none looks as if it had never run; from one to the next in the index.
INSERT INTO syncctl_sync_total (sync_id, rows, bytes, last_run_at, last_state, last_success_at)
WITH RECURSIVE syncs AS (
    (SELECT sync_id FROM syncctl_task WHERE sync_id > '' ORDER BY sync_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.sync_id FROM syncctl_task t WHERE t.sync_id > syncs.sync_id ORDER BY t.sync_id LIMIT 1)
    FROM syncs WHERE syncs.sync_id IS NOT NULL
)
SELECT sync_id, 0, 0, run.created_at, run.state, success.finished_at
FROM syncs
JOIN LATERAL (
    SELECT created_at, state FROM syncctl_task t
    WHERE t.sync_id = syncs.sync_id AND command = 'read' AND state NOT IN ('PENDING', 'RUNNING')
    ORDER BY created_at DESC LIMIT 1
) AS run ON true
LEFT JOIN LATERAL (
    SELECT finished_at FROM syncctl_task t
    WHERE t.sync_id = syncs.sync_id AND command = 'read' AND state = 'SUCCESS' ORDER BY finished_at DESC LIMIT 1
) AS success ON true;
