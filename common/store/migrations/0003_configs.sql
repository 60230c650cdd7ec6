-- A configuration that a connector changed (CONTROL), for the next read of its sync while the caller's is unchanged.

CREATE TABLE syncctl_config (
    sync_id     text PRIMARY KEY,
    -- As the connector wrote it; text, so that no digit and no NUL is lost.
    config      text NOT NULL,
    config_hash text NOT NULL,
    -- Of the configuration that the caller had sent (common.protocol.messages.config_hash).
    given_hash  text NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now()
);
