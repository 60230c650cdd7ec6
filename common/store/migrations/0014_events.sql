-- What happens to tasks and syncs, for those who are to hear of it. A row is written in the transaction that makes the
-- event true; sweeps send it (common/outbox/deliver.py) and delete it. Where nothing is to hear of it, they delete it unsent.
CREATE TABLE syncctl_event (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Made of what the event is about, so that a repetition has the same.
    event_id   text NOT NULL UNIQUE,
    type       text NOT NULL,
    -- '' for an event that is about a sync and none of its tasks. Events of one task, or else sync, are sent in order.
    task_id    text NOT NULL DEFAULT '',
    sync_id    text NOT NULL DEFAULT '',
    data_plane text,
    at         timestamptz NOT NULL DEFAULT now(),
    -- The state of the sync's read before this one that was not cancelled, where a read has ended; else ''.
    previous   text NOT NULL DEFAULT '',
    -- As it was then, in the words of GET /tasks/<taskId>.
    data       jsonb NOT NULL,
    -- Whether its deliveries are there.
    spread     boolean NOT NULL DEFAULT false
);
CREATE INDEX syncctl_event_new ON syncctl_event (id) WHERE NOT spread;
CREATE INDEX syncctl_event_order ON syncctl_event (task_id, sync_id, id);

-- What is still to be sent, and where to (Target.name).
CREATE TABLE syncctl_delivery (
    target   text NOT NULL,
    event    bigint NOT NULL REFERENCES syncctl_event (id) ON DELETE CASCADE,
    attempts int NOT NULL DEFAULT 0,
    next_at  timestamptz NOT NULL DEFAULT now(),
    error    text NOT NULL DEFAULT '',
    PRIMARY KEY (target, event)
);
CREATE INDEX syncctl_delivery_event ON syncctl_delivery (event);

-- Up to which moment of its schedule the skipped runs of a sync have had their event.
CREATE TABLE syncctl_skipped (
    sync_id text PRIMARY KEY,
    moment  timestamptz NOT NULL
);

-- One place for all who write tasks: functions, sweeps and sidecars, those of earlier versions too. By the rights of the
-- tables' owner, since sidecars have none on the table of events. It finds its tables by the schema of the task's, which
-- may be renamed.
CREATE FUNCTION syncctl_write_events() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    stamp constant text = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
    ended constant text[] = ARRAY['SUCCESS', 'PARTIAL', 'FAILED'];
    types text[] = '{}';
    before text = '';
    type text;
    data jsonb;
BEGIN
    IF NEW.schema_changes IS NOT NULL AND OLD.schema_changes IS NULL THEN
        types = types || 'sync.schemachanged'::text;
    END IF;
    IF NEW.attempt > OLD.attempt THEN
        types = types || 'task.retrying'::text;
    END IF;
    IF NEW.state <> OLD.state AND NEW.state <> 'PENDING' THEN
        types = types || ('task.' || CASE NEW.state WHEN 'RUNNING' THEN 'started' WHEN 'SUCCESS' THEN 'succeeded'
                                     ELSE lower(NEW.state) END);
    ELSIF NEW.state = 'RUNNING' AND NEW.streams <> '{}' AND NEW.attempt = OLD.attempt
          AND date_trunc('minute', NEW.updated_at) > date_trunc('minute', OLD.updated_at) THEN
        types = types || 'task.progressed'::text;
    END IF;
    IF NEW.command = 'read' AND NEW.state <> OLD.state AND NEW.state = ANY(ended) THEN
        EXECUTE format('SELECT state FROM %I.syncctl_task WHERE sync_id = $1 AND command = ''read'' AND task_id <> $2 '
                       'AND state = ANY($3) ORDER BY created_at DESC, accepted_at DESC LIMIT 1', TG_TABLE_SCHEMA)
        INTO before USING NEW.sync_id, NEW.task_id, ended;
        before = coalesce(before, '');
        IF NEW.state = 'SUCCESS' AND before IN ('FAILED', 'PARTIAL') THEN
            types = types || 'sync.recovered'::text;
        END IF;
    END IF;
    IF types = '{}' THEN
        RETURN NULL;
    END IF;
    data = jsonb_build_object(
        'taskId', NEW.task_id, 'command', NEW.command, 'syncId', NEW.sync_id, 'storageKey', NEW.storage_key,
        'package', NEW.package, 'version', NEW.version, 'state', NEW.state, 'reason', NEW.reason,
        'createdAt', to_char(NEW.created_at AT TIME ZONE 'UTC', stamp),
        'startedAt', to_char(NEW.started_at AT TIME ZONE 'UTC', stamp),
        'updatedAt', to_char(NEW.updated_at AT TIME ZONE 'UTC', stamp),
        'finishedAt', to_char(NEW.finished_at AT TIME ZONE 'UTC', stamp),
        'startedBy', NEW.started_by, 'streams', NEW.streams, 'failure', NEW.failure, 'attempt', NEW.attempt,
        'attempts', NEW.attempts, 'dataPlane', NEW.data_plane, 'schemaChanges', NEW.schema_changes);
    FOREACH type IN ARRAY types LOOP
        EXECUTE format('INSERT INTO %I.syncctl_event (event_id, type, task_id, sync_id, data_plane, previous, data) '
                       'VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING', TG_TABLE_SCHEMA)
        USING concat_ws('/', NEW.task_id, NEW.attempt, split_part(type, '.', 2),
                        CASE type WHEN 'task.progressed'
                                  THEN to_char(NEW.updated_at AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MI"Z"') END),
              'dev.sync-functions.' || type || '.v1', NEW.task_id, NEW.sync_id, NEW.data_plane, before, data;
    END LOOP;
    RETURN NULL;
END $function$;

-- A trigger fires without this right; with it, anybody's table of that name could have the function write into a table of
-- theirs, by the owner's rights.
REVOKE ALL ON FUNCTION syncctl_write_events() FROM PUBLIC;

CREATE TRIGGER syncctl_task_events AFTER UPDATE ON syncctl_task FOR EACH ROW
WHEN (NEW.state <> OLD.state OR NEW.attempt <> OLD.attempt
      OR (NEW.schema_changes IS NOT NULL AND OLD.schema_changes IS NULL)
      OR (NEW.state = 'RUNNING' AND date_trunc('minute', NEW.updated_at) > date_trunc('minute', OLD.updated_at)))
EXECUTE FUNCTION syncctl_write_events();
