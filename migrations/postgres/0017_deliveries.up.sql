CREATE TABLE deliveries (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    notification_id uuid NOT NULL,
    channel smallint NOT NULL,
    target uuid NOT NULL,
    rung bigint NOT NULL,
    round bigint NOT NULL,
    state smallint NOT NULL,
    attempts bigint NOT NULL,
    claim_token uuid,
    reason text,
    outcome text,
    status_code bigint,
    detail text,
    started_at timestamptz,
    took_ms bigint,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id)
) PARTITION BY RANGE (id);

-- Holds what no other partition takes, so that an insert never fails for want of one.
CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT WITH (fillfactor = 70);
