-- The last full sweep: a row that grows old says that nobody sweeps.
CREATE TABLE syncctl_sweep (
    id            int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    swept_at      timestamptz NOT NULL,
    seconds       real NOT NULL,
    pods          int NOT NULL,
    active        int NOT NULL,
    concluded     int NOT NULL,
    deleted       int NOT NULL,
    unreadable    int NOT NULL,
    orphaned_rows int NOT NULL
);
-- A sweep knows a pod by its name first.
CREATE INDEX syncctl_task_pod ON syncctl_task (pod_name);
