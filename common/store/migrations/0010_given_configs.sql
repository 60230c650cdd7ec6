-- The hash of the configuration that a task's caller sent (common.protocol.messages.config_hash): what its connector makes
-- of it is kept for that one alone. Found by what a connector has made, as before, it might be another sync's: a
-- connector may make of its configuration whatever somebody else sends.
ALTER TABLE syncctl_task ADD COLUMN IF NOT EXISTS given_hash text;
-- Older sidecars still read and write it; nothing else does.
ALTER TABLE syncctl_changed_config ALTER COLUMN derived SET DEFAULT '{}';
