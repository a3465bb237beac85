ALTER TABLE webhook_endpoints ADD COLUMN disabled_at INTEGER;
