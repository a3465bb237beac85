UPDATE mails SET state = 1 WHERE content IS NOT NULL;
