CREATE TABLE event_types (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    name varchar(128) NOT NULL,
    description text NOT NULL,
    mode smallint NOT NULL,
    version bigint NOT NULL,
    revision bigint NOT NULL,
    deprecated_at datetime(6),
    created_by binary(16),
    created_at datetime(6) NOT NULL,
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, name),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
