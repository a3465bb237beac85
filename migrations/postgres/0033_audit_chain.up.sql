CREATE TABLE audit_chain (
    project_id uuid NOT NULL,
    seq bigint NOT NULL,
    audit_id uuid NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (project_id, seq),
    UNIQUE (project_id, audit_id)
);
