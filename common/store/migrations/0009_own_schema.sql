-- From this version on our tables are in a schema of their own (move in install.sql). Where it is applied nothing moves
-- any more: a deployment whose setting names the caller's schema keeps its tables there.
COMMENT ON TABLE syncctl_migration IS 'Versions of the tables of sync-functions in this schema that are applied.';
