CREATE TABLE events (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    kind varchar(255) NOT NULL,
    source varchar(255) NOT NULL,
    payload mediumblob NOT NULL,
    occurred_at datetime(6),
    received_at datetime(6) NOT NULL,
    idempotency_key varchar(255),
    correlation_id varchar(255),
    replay_of binary(16),
    key_id binary(16),
    PRIMARY KEY (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
