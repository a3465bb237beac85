-- Account mails are delivered as everything else is: what waits gets its delivery, which has the mail's id.
INSERT INTO deliveries (project_id, id, notification_id, channel, target_kind, target, step, round, state, attempts, created_at, updated_at)
SELECT project_id, id, id, 3, 2, id, 0, 0, CASE state WHEN 3 THEN 3 WHEN 4 THEN 7 ELSE 1 END, attempts, created_at, updated_at
FROM mails
ON DUPLICATE KEY UPDATE deliveries.id = deliveries.id;
