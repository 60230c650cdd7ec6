-- Deployments that share these tables see only their own pods: a row says at which place its pod is, so that nobody
-- else takes it for lost.
ALTER TABLE syncctl_task
    -- NULL in rows from before, and in those of an older version that knows no places: any place may judge such a row,
    -- as all did before. To give them to whoever comes first would take them from the place that has their pods.
    ADD COLUMN place text;
CREATE INDEX syncctl_task_place ON syncctl_task (place) WHERE state IN ('PENDING', 'RUNNING');

-- A row for each place's last sweep; an older version goes on with the row 1, which has no place.
ALTER TABLE syncctl_sweep DROP CONSTRAINT syncctl_sweep_id_check, ADD COLUMN place text UNIQUE;
CREATE SEQUENCE syncctl_sweep_number START 2 OWNED BY syncctl_sweep.id;
