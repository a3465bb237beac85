DROP INDEX notifications_by_alert;
