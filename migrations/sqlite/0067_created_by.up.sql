ALTER TABLE rule_versions ADD COLUMN created_by BLOB;
