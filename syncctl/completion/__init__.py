"""Completion in shells: scripts for them, and values (syncs, tasks, streams, images) that the deployment knows."""
