ALTER TABLE deliveries RENAME COLUMN step TO rung;
