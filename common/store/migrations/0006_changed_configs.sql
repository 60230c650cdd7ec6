-- A configuration that a connector changed (CONTROL) is of the connector and of what its caller sends, whatever the
-- task: a token that a check has renewed is the one that the next read needs, and the other way round.

CREATE TABLE syncctl_changed_config (
    package    text NOT NULL,
    -- Of the configuration that the caller sends (common.protocol.messages.config_hash).
    given_hash text NOT NULL,
    -- As the connector wrote it; text, so that no digit and no NUL is lost.
    config     text NOT NULL,
    -- Hashes of what the connector has made of it so far, newest first: a task knows only the one that it was given.
    derived    text[] NOT NULL,
    used_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package, given_hash)
);

INSERT INTO syncctl_changed_config (package, given_hash, config, derived)
SELECT DISTINCT ON (task.package, kept.given_hash) task.package, kept.given_hash, kept.config, ARRAY[kept.config_hash]
FROM syncctl_config kept
JOIN LATERAL (SELECT package FROM syncctl_task WHERE sync_id = kept.sync_id AND command = 'read'
              ORDER BY created_at DESC LIMIT 1) task ON true
ORDER BY task.package, kept.given_hash, kept.updated_at DESC;

DROP TABLE syncctl_config;
