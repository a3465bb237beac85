UPDATE due SET kind = 5 WHERE kind IN (2, 3) AND row_id IN (SELECT id FROM mails);
