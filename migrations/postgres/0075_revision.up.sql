ALTER TABLE webhook_endpoints ADD COLUMN revision bigint NOT NULL DEFAULT 1;
