CREATE TABLE mails (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    user_id binary(16),
    kind smallint NOT NULL,
    address varbinary(32) NOT NULL,
    content blob,
    state smallint NOT NULL,
    attempts bigint NOT NULL,
    reason text,
    created_at datetime(6) NOT NULL,
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE,
    INDEX mails_user (project_id, user_id),
    INDEX mails_address (project_id, address, created_at)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
