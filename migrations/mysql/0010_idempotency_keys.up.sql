CREATE TABLE idempotency_keys (
    project_id binary(16) NOT NULL,
    operation smallint NOT NULL,
    key_hash varbinary(32) NOT NULL,
    result binary(16) NOT NULL,
    body_hash varbinary(32) NOT NULL,
    expires_at datetime(6) NOT NULL,
    answer mediumblob,
    PRIMARY KEY (project_id, operation, key_hash),
    INDEX idempotency_keys_expiry (expires_at)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
