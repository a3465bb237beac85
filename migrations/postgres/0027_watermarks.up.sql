CREATE TABLE watermarks (
    project_id uuid NOT NULL,
    kind smallint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (project_id, kind)
);
