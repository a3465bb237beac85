CREATE TABLE matches (
    project_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    rule_id BLOB NOT NULL,
    rule_version INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    reason TEXT,
    until INTEGER,
    alert_id BLOB,
    PRIMARY KEY (project_id, event_id, rule_id)
) STRICT, WITHOUT ROWID;
