ALTER TABLE projects ADD COLUMN session_epoch bigint NOT NULL DEFAULT 0;
