"""A deployment over HTTP: the client, what it answers as types, its errors, and waiting for a task."""
