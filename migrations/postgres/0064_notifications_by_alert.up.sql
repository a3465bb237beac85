CREATE INDEX notifications_by_alert ON notifications (project_id, alert_id);
