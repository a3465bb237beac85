CREATE TABLE matches (
    project_id uuid NOT NULL,
    event_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    rule_version bigint NOT NULL,
    outcome smallint NOT NULL,
    reason text,
    until timestamptz,
    alert_id uuid,
    PRIMARY KEY (project_id, event_id, rule_id)
) PARTITION BY RANGE (event_id);

-- Holds what no other partition takes, so that an insert never fails for want of one.
CREATE TABLE matches_default PARTITION OF matches DEFAULT;
