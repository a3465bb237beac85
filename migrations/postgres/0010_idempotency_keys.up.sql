CREATE TABLE idempotency_keys (
    project_id uuid NOT NULL,
    operation smallint NOT NULL,
    key_hash bytea NOT NULL,
    result uuid NOT NULL,
    body_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    answer bytea,
    PRIMARY KEY (project_id, operation, key_hash)
);

CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
