CREATE TABLE event_type_versions (
    project_id BLOB NOT NULL,
    event_type_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    json_schema TEXT NOT NULL,
    example TEXT,
    created_by BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, event_type_id, version),
    FOREIGN KEY (project_id, event_type_id) REFERENCES event_types (project_id, id)
) STRICT;
