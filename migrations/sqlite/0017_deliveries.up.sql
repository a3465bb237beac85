CREATE TABLE deliveries (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    notification_id BLOB NOT NULL,
    channel INTEGER NOT NULL,
    target BLOB NOT NULL,
    rung INTEGER NOT NULL,
    round INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    claim_token BLOB,
    reason TEXT,
    outcome TEXT,
    status_code INTEGER,
    detail TEXT,
    started_at INTEGER,
    took_ms INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_notification ON deliveries (project_id, notification_id);
