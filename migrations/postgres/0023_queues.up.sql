CREATE TABLE queues (
    queue smallint NOT NULL,
    paused_at timestamptz,
    PRIMARY KEY (queue)
);
