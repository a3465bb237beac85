CREATE TABLE evaluations (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    run uuid NOT NULL,
    status smallint NOT NULL,
    ruleset bigint NOT NULL,
    looked bigint NOT NULL,
    matched bigint NOT NULL,
    evaluated_at timestamptz NOT NULL,
    error text,
    PRIMARY KEY (project_id, id)
) PARTITION BY RANGE (id);

-- Holds what no other partition takes, so that an insert never fails for want of one.
CREATE TABLE evaluations_default PARTITION OF evaluations DEFAULT;
