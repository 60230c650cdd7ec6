"""Events out: what happens to tasks and syncs, sent to whatever is to hear of it."""
