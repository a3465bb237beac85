CREATE TABLE signing_keys (
    id binary(16) NOT NULL,
    secret varbinary(255) NOT NULL,
    created_at datetime(6) NOT NULL,
    retired_at datetime(6),
    PRIMARY KEY (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
