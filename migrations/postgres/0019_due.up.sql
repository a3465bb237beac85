CREATE TABLE due (
    project_id uuid NOT NULL,
    kind smallint NOT NULL,
    row_id uuid NOT NULL,
    at timestamptz NOT NULL,
    data bytea,
    PRIMARY KEY (project_id, kind, row_id)
);

CREATE INDEX due_at ON due (project_id, at);
