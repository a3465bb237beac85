ALTER TABLE webhook_endpoints ADD COLUMN details jsonb;
