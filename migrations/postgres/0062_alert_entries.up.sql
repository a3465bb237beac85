CREATE TABLE alert_entries (
    project_id uuid NOT NULL,
    alert_id uuid NOT NULL,
    id uuid NOT NULL,
    change_kind smallint NOT NULL,
    at timestamptz NOT NULL,
    user_id uuid,
    event_id uuid,
    until timestamptz,
    PRIMARY KEY (project_id, alert_id, id)
);
