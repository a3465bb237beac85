CREATE TABLE rule_versions (
    project_id BLOB NOT NULL,
    rule_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    active INTEGER NOT NULL,
    body TEXT NOT NULL,
    since_epoch INTEGER NOT NULL,
    until_epoch INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, rule_id, version),
    FOREIGN KEY (project_id, rule_id) REFERENCES rules (project_id, id)
) STRICT;
