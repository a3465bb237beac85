CREATE TABLE mails (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid,
    kind smallint NOT NULL,
    address bytea NOT NULL,
    content bytea,
    state smallint NOT NULL,
    attempts bigint NOT NULL,
    reason text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
);

CREATE INDEX mails_user ON mails (project_id, user_id);
CREATE INDEX mails_address ON mails (project_id, address, created_at);
