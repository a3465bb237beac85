CREATE TABLE intake_status (
    project_id uuid NOT NULL,
    intake smallint NOT NULL,
    waiting bigint,
    pending bigint,
    accepted bigint NOT NULL,
    rejected bigint NOT NULL,
    last_entry_at timestamptz,
    last_error text,
    last_error_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, intake),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);
