-- The six tables of the caller's side (docs/reference/contract.md B). Made only where they are missing, never altered:
-- the caller's console may manage them. Constraint names matter: upserts name them.

-- name: source_spec
CREATE TABLE source_spec (
    package   text NOT NULL,
    version   text NOT NULL,
    specs     jsonb,
    timestamp timestamptz(3) NOT NULL DEFAULT now(),
    error     text,
    CONSTRAINT source_spec_pkey PRIMARY KEY (package, version)
);

-- name: source_check
CREATE TABLE source_check (
    package     text NOT NULL,
    version     text NOT NULL,
    key         text NOT NULL,
    status      text NOT NULL,
    description text,
    timestamp   timestamptz(3) NOT NULL DEFAULT now(),
    CONSTRAINT source_check_pkey PRIMARY KEY (key)
);

-- name: source_catalog
CREATE TABLE source_catalog (
    package     text NOT NULL,
    version     text NOT NULL,
    key         text NOT NULL,
    catalog     jsonb,
    timestamp   timestamptz(3) NOT NULL DEFAULT now(),
    status      text NOT NULL,
    description text,
    CONSTRAINT source_catalog_pkey PRIMARY KEY (package, version, key)
);

-- name: source_state
CREATE TABLE source_state (
    sync_id   text NOT NULL,
    stream    text NOT NULL,
    state     jsonb NOT NULL,
    timestamp timestamptz(3) NOT NULL DEFAULT now(),
    CONSTRAINT source_state_pkey PRIMARY KEY (sync_id, stream)
);

-- name: source_task
CREATE TABLE source_task (
    sync_id     text NOT NULL,
    task_id     text NOT NULL,
    package     text NOT NULL,
    version     text NOT NULL,
    started_at  timestamptz(3) NOT NULL DEFAULT now(),
    updated_at  timestamptz(3) NOT NULL DEFAULT now(),
    started_by  jsonb,
    status      text NOT NULL,
    description text,
    CONSTRAINT source_task_pkey PRIMARY KEY (task_id)
);
CREATE INDEX source_task_sync_id_started_at_idx ON source_task (sync_id, started_at);

-- name: task_log
CREATE TABLE task_log (
    id        uuid NOT NULL,
    level     text NOT NULL,
    logger    text NOT NULL,
    message   text NOT NULL,
    sync_id   text NOT NULL,
    task_id   text NOT NULL,
    timestamp timestamptz(3) NOT NULL DEFAULT now(),
    CONSTRAINT task_log_pkey PRIMARY KEY (id)
);
CREATE INDEX task_log_sync_id_task_id_timestamp_idx ON task_log (sync_id, task_id, timestamp);
