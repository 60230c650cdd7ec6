-- GET /tasks by status or command: rare ones would be looked for in the whole table, newest first.
CREATE INDEX syncctl_task_state ON syncctl_task (state, created_at DESC, task_id DESC);
CREATE INDEX syncctl_task_command ON syncctl_task (command, created_at DESC, task_id DESC);
