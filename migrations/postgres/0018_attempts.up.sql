CREATE TABLE attempts (
    project_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number bigint NOT NULL,
    outcome text NOT NULL,
    status_code bigint,
    detail text,
    started_at timestamptz NOT NULL,
    took_ms bigint NOT NULL,
    PRIMARY KEY (project_id, delivery_id, number)
) PARTITION BY RANGE (delivery_id);

-- Holds what no other partition takes, so that an insert never fails for want of one.
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;
