-- How fast a read went: what its present attempt emitted and stored in each step of time (sidecar/read/rates.py).
ALTER TABLE syncctl_task ADD COLUMN IF NOT EXISTS rates jsonb;
