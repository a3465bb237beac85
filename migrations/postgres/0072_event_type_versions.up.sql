CREATE TABLE event_type_versions (
    project_id uuid NOT NULL,
    event_type_id uuid NOT NULL,
    version bigint NOT NULL,
    json_schema text NOT NULL,
    example text,
    created_by uuid,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, event_type_id, version),
    FOREIGN KEY (project_id, event_type_id) REFERENCES event_types (project_id, id)
);
