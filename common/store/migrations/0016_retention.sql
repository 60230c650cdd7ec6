-- Sweeps remove tasks that ended long ago: where they have come to, sync by sync, and when they go on. A new database has
-- nothing to remove yet.
CREATE TABLE syncctl_retention (
    id         int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    -- The last task that was looked at; from here on in the index syncctl_task_sync.
    sync_id    text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT '-infinity',
    task_id    text NOT NULL DEFAULT '',
    due_at     timestamptz NOT NULL DEFAULT now() + interval '1 hour'
);
INSERT INTO syncctl_retention DEFAULT VALUES;

-- Which runs a discovery is of: it stays as long as one of them.
CREATE INDEX syncctl_task_runs ON syncctl_task ((coalesce(awaits, discovery)))
    WHERE coalesce(awaits, discovery) IS NOT NULL;

-- Which key has encrypted a configuration (common/store/encryption.py): each sweep looks for those of another one.
CREATE INDEX syncctl_changed_config_key ON syncctl_changed_config (left(config, 16));
