CREATE TABLE notifications (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    origin_id BLOB NOT NULL,
    rule_id BLOB,
    rule_version INTEGER,
    alert_id BLOB,
    round INTEGER NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    priority INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, id)
) STRICT;
