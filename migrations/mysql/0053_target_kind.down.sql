ALTER TABLE deliveries DROP COLUMN target_kind;
