"""The sweep: what becomes of each active task, decided and applied; retries; the events that wake it."""
