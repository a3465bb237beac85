CREATE TABLE recipients (
    project_id binary(16) NOT NULL,
    notification_id binary(16) NOT NULL,
    user_id binary(16) NOT NULL,
    role varchar(255),
    created_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, notification_id, user_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
