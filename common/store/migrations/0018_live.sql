-- What a task is doing at this moment.
ALTER TABLE syncctl_task
    -- What its reason says that it waits for (common.store.waiting), and since when. Without a reason this counts for
    -- nothing: sidecars empty the reason alone.
    ADD COLUMN IF NOT EXISTS waits_for   text,
    ADD COLUMN IF NOT EXISTS waits_since timestamptz,
    -- What the source says that the whole read will send: rows and bytes (TRACE ESTIMATE of type SYNC).
    ADD COLUMN IF NOT EXISTS estimate    jsonb;
