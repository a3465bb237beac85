CREATE TABLE rule_groups (
    project_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    group_hash bytea NOT NULL,
    group_key text NOT NULL,
    state jsonb NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, group_hash),
    FOREIGN KEY (project_id, rule_id) REFERENCES rules (project_id, id)
) WITH (fillfactor = 50);
