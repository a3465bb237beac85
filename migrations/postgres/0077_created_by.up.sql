ALTER TABLE webhook_endpoints ADD COLUMN created_by uuid;
