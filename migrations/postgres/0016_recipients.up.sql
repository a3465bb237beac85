CREATE TABLE recipients (
    project_id uuid NOT NULL,
    notification_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, notification_id, user_id)
) PARTITION BY RANGE (notification_id);

-- Holds what no other partition takes, so that an insert never fails for want of one.
CREATE TABLE recipients_default PARTITION OF recipients DEFAULT;
