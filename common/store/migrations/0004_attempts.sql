-- Why a task ended, and the attempts of a read that was started again.
ALTER TABLE syncctl_task
    ADD COLUMN attempt     int NOT NULL DEFAULT 1,
    -- Kind, origin, message, advice, retryable (common.failures), as they were when it ended.
    ADD COLUMN failure     jsonb,
    -- What the sidecar says that its attempt came to, for the sweep to confirm or to explain; text keeps every letter.
    ADD COLUMN proposal    text,
    -- The failures of earlier attempts, oldest first, each with its number and end.
    ADD COLUMN attempts    jsonb NOT NULL DEFAULT '[]',
    -- To the microsecond, as created_at is not: a state saved later is one of this task.
    ADD COLUMN accepted_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN attempt_at  timestamptz NOT NULL DEFAULT now(),
    -- While set, the pod of a new attempt is made and waits for its state: not before this moment.
    ADD COLUMN resume_at   timestamptz;
