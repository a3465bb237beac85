CREATE TABLE events (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    payload bytea NOT NULL,
    occurred_at timestamptz,
    received_at timestamptz NOT NULL,
    idempotency_key text,
    correlation_id text,
    replay_of uuid,
    key_id uuid,
    PRIMARY KEY (project_id, id)
) PARTITION BY RANGE (id);

-- Holds what no other partition takes, so that an insert never fails for want of one.
CREATE TABLE events_default PARTITION OF events DEFAULT;
