CREATE TABLE auth_attempts (
    project_id uuid NOT NULL,
    kind smallint NOT NULL,
    source_hash bytea NOT NULL,
    since timestamptz NOT NULL,
    attempts bigint NOT NULL,
    PRIMARY KEY (project_id, kind, source_hash)
);

CREATE INDEX auth_attempts_since ON auth_attempts (since);
