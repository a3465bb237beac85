CREATE TABLE processes (
    id uuid NOT NULL,
    role text NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    version text NOT NULL,
    beat bigint NOT NULL,
    started_at timestamptz NOT NULL,
    beat_at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
