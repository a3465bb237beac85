DROP TABLE rejected_entries;
