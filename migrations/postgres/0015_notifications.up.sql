CREATE TABLE notifications (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    kind smallint NOT NULL,
    origin_id uuid NOT NULL,
    rule_id uuid,
    rule_version bigint,
    alert_id uuid,
    round bigint NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    priority smallint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id)
) PARTITION BY RANGE (id);

-- Holds what no other partition takes, so that an insert never fails for want of one.
CREATE TABLE notifications_default PARTITION OF notifications DEFAULT;
