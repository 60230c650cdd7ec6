-- Runs of declared syncs: reads that a sweep may begin, and that may have to wait for a discovery.
ALTER TABLE syncctl_task
    -- What was asked for: the sync's name, streams, fullSync. NULL in tasks that are not runs.
    ADD COLUMN wanted         jsonb,
    -- The moment of the schedule that it was started for.
    ADD COLUMN moment         timestamptz,
    -- The discovery that it waits for; while set, it has no pod, or one that is just being made.
    ADD COLUMN awaits         text,
    -- The discovery that its catalog was made from, and what had changed since the one before.
    ADD COLUMN discovery      text,
    ADD COLUMN schema_changes jsonb;
CREATE INDEX syncctl_task_awaits ON syncctl_task (created_at) WHERE awaits IS NOT NULL;
CREATE INDEX syncctl_task_moment ON syncctl_task (sync_id, moment DESC) WHERE moment IS NOT NULL;
CREATE INDEX syncctl_task_read_success ON syncctl_task (sync_id, finished_at DESC)
    WHERE command = 'read' AND state = 'SUCCESS';
CREATE INDEX syncctl_task_discovery ON syncctl_task (storage_key, finished_at DESC)
    WHERE command = 'discover' AND state = 'SUCCESS';
