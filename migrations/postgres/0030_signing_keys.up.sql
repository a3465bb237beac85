CREATE TABLE signing_keys (
    id uuid NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    PRIMARY KEY (id)
);
