CREATE TABLE seal_probe (
    project_id uuid NOT NULL,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id)
);
