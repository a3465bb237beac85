ALTER TABLE sessions DROP COLUMN project_epoch;
