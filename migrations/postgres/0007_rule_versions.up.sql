CREATE TABLE rule_versions (
    project_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    version bigint NOT NULL,
    active smallint NOT NULL,
    body jsonb NOT NULL,
    since_epoch bigint NOT NULL,
    until_epoch bigint,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, rule_id, version),
    FOREIGN KEY (project_id, rule_id) REFERENCES rules (project_id, id)
);
