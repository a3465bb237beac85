CREATE TABLE rejected_entries (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    intake smallint NOT NULL,
    entry_id text NOT NULL,
    reason text NOT NULL,
    body bytea NOT NULL,
    size bigint NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);

CREATE INDEX rejected_entries_age ON rejected_entries (received_at);
