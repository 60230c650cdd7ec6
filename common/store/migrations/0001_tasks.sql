-- Our own tables. Numbered files here run once each, in order, in one transaction with their version.

CREATE TABLE syncctl_task (
    task_id           text PRIMARY KEY,
    command           text NOT NULL,
    sync_id           text NOT NULL DEFAULT '',
    storage_key       text NOT NULL DEFAULT '',
    package           text NOT NULL,
    version           text NOT NULL,
    pod_name          text NOT NULL,
    -- Tells a repeated request (answered as the first time) from another one with the same taskId (409).
    request_hash      text NOT NULL,
    state             text NOT NULL DEFAULT 'PENDING'
                      CHECK (state IN ('PENDING', 'RUNNING', 'SUCCESS', 'PARTIAL', 'FAILED', 'CANCELLED')),
    reason            text NOT NULL DEFAULT '',
    streams           jsonb NOT NULL DEFAULT '{}',
    started_by        text NOT NULL DEFAULT '',
    table_name_prefix text NOT NULL DEFAULT '',
    created_at        timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    finished_at       timestamptz
);
CREATE INDEX syncctl_task_created ON syncctl_task (created_at DESC, task_id DESC);
CREATE INDEX syncctl_task_sync ON syncctl_task (sync_id, created_at DESC);
-- One active task per slot: a sync is read once at a time, and so is a key discovered.
CREATE UNIQUE INDEX syncctl_task_active_read ON syncctl_task (sync_id)
    WHERE command = 'read' AND state IN ('PENDING', 'RUNNING');
CREATE UNIQUE INDEX syncctl_task_active_result ON syncctl_task (command, package, version, storage_key)
    WHERE command <> 'read' AND state IN ('PENDING', 'RUNNING');

-- What a spec, check or discover found, as the connector wrote it (json, not jsonb: order and digits stay).
CREATE TABLE syncctl_result (
    task_id text PRIMARY KEY REFERENCES syncctl_task (task_id) ON DELETE CASCADE,
    result  json NOT NULL
);
