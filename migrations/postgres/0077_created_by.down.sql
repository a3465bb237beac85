ALTER TABLE webhook_endpoints DROP COLUMN created_by;
