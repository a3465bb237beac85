CREATE TABLE rule_groups (
    project_id BLOB NOT NULL,
    rule_id BLOB NOT NULL,
    group_hash BLOB NOT NULL,
    group_key TEXT NOT NULL,
    state TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, group_hash),
    FOREIGN KEY (project_id, rule_id) REFERENCES rules (project_id, id)
) STRICT, WITHOUT ROWID;
