CREATE TABLE push_tokens (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    platform smallint NOT NULL,
    token_hash bytea NOT NULL,
    token bytea NOT NULL,
    device bytea,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, token_hash),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
);

CREATE INDEX push_tokens_user ON push_tokens (project_id, user_id);
