DROP TABLE alert_entries;
