ALTER TABLE sessions ADD COLUMN project_epoch bigint NOT NULL DEFAULT 0;
