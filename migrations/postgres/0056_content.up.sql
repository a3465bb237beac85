UPDATE mails SET content = NULL WHERE state >= 3;
