-- What was changed by hand in the saved states of a sync, so that it can be undone: the newest changes of each.
CREATE TABLE syncctl_state_undo (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_id    text NOT NULL,
    action     text NOT NULL,
    -- By key of the states that it changed: what they were, null for none. Not jsonb: this type keeps the text itself.
    before     json NOT NULL,
    -- By key: hashes of what it made of them; a state that has another one by now was saved later.
    after      jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX syncctl_state_undo_sync ON syncctl_state_undo (sync_id, id DESC);

-- Of a read that has ended: its sync's states were changed by hand since, or by a full sync. Its sidecar, if it still
-- runs, saves none.
ALTER TABLE syncctl_task ADD COLUMN states_closed boolean NOT NULL DEFAULT false;
