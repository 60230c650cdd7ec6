"""Use cases: start a task, report on tasks, sweep."""
