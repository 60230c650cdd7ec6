-- A data plane is Airbyte's word for where pods run.
ALTER TABLE syncctl_task RENAME COLUMN place TO data_plane;
ALTER INDEX syncctl_task_place RENAME TO syncctl_task_data_plane;
ALTER TABLE syncctl_sweep RENAME COLUMN place TO data_plane;
ALTER TABLE syncctl_sweep RENAME CONSTRAINT syncctl_sweep_place_key TO syncctl_sweep_data_plane_key;
