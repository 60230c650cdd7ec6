-- States that jsonb refuses, or would change (a NUL, half a surrogate pair, a number beyond its range): as they came.
-- A state is in source_state or here, never in both.

CREATE TABLE syncctl_state (
    sync_id    text NOT NULL,
    stream     text NOT NULL,
    -- Not jsonb: this type keeps the text itself.
    state      json NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sync_id, stream)
);
