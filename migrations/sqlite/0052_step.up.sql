ALTER TABLE deliveries RENAME COLUMN rung TO step;
