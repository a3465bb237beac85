ALTER TABLE deliveries ADD COLUMN target_kind smallint NOT NULL DEFAULT 1;
