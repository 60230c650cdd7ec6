"""Pure functions: a task to its pod and Secret (manifest), a pod's status to a verdict (diagnosis)."""
