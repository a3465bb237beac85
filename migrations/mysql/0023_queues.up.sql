CREATE TABLE queues (
    queue smallint NOT NULL,
    paused_at datetime(6),
    PRIMARY KEY (queue)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
