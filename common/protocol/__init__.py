"""The Airbyte protocol as a connector speaks it: messages, catalogs, commands, resuming."""
