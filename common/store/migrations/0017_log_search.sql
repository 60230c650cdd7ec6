-- GET /tasks by package, and by what has started a task: the trigger that its JSON names, else the text, as far as an index
-- can hold it. The query list_tasks has the same words.
CREATE INDEX syncctl_task_package ON syncctl_task (package, created_at DESC, task_id DESC);
CREATE INDEX syncctl_task_started_by ON syncctl_task (
    left(coalesce(substring(started_by FROM '"trigger" *: *"([^"]*)"'), started_by), 200), created_at DESC, task_id DESC
);
