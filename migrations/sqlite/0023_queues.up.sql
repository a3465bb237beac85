CREATE TABLE queues (
    queue INTEGER NOT NULL,
    paused_at INTEGER,
    PRIMARY KEY (queue)
) STRICT, WITHOUT ROWID;
