-- +goose Up

-- Times are integers of Unix microseconds; 0 means "not yet" or "unknown".

-- The inbox: each event that was answered with 200 has a row here.
CREATE TABLE events (
    id             INTEGER PRIMARY KEY,
    key            BLOB NOT NULL,               -- 16 bytes of SHA-256 over provider and external ID; of a quarantined row over its body as well
    provider       TEXT    NOT NULL,
    generation     TEXT    NOT NULL,
    external_id    TEXT    NOT NULL,
    derived        BOOLEAN NOT NULL,               -- the provider gives no ID: external_id is computed from the body
    type           TEXT    NOT NULL,
    tenant_id      TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    queue          TEXT    NOT NULL,
    secret         TEXT    NOT NULL,               -- fingerprint of the secret that verified it
    sandbox        BOOLEAN NOT NULL,
    body           BLOB NOT NULL,               -- exactly the bytes that were signed
    sha256         BLOB NOT NULL,
    quarantined    BOOLEAN NOT NULL,
    problem        TEXT    NOT NULL,               -- why the body cannot be read, or is quarantined
    deliveries     BIGINT  NOT NULL,
    occurred_at    BIGINT  NOT NULL,               -- the provider's clock; all other times are ours
    received_at    BIGINT  NOT NULL
);

CREATE UNIQUE INDEX events_key ON events (key);
CREATE INDEX events_quarantined ON events (id) WHERE quarantined;
CREATE INDEX events_kept ON events (provider, external_id, id) WHERE quarantined; -- to replace an event that fails

-- Events that still have to be processed. The row is deleted when the event is done; the row of a failed event stays.
CREATE TABLE pending_events (
    id         INTEGER NOT NULL PRIMARY KEY REFERENCES events (id),
    queue      TEXT    NOT NULL,
    due_at     BIGINT  NOT NULL,                   -- 0: never; a new value invalidates older offers of the row
    attempts   BIGINT  NOT NULL,
    failed     BOOLEAN NOT NULL,
    last_error TEXT    NOT NULL
);

CREATE INDEX pending_events_due ON pending_events (queue, due_at) WHERE due_at > 0;
CREATE INDEX pending_events_failed ON pending_events (id) WHERE failed;

-- The attempts at events that ended with an error. Nothing depends on them: they are for people who look for the cause.
CREATE TABLE failed_attempts (
    event_id BIGINT NOT NULL,
    attempt  BIGINT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    error    TEXT   NOT NULL,
    PRIMARY KEY (event_id, began_at)
);

-- The idempotency record. It holds no personal data and outlives the event's body.
CREATE TABLE processed_events (
    external_id  TEXT    NOT NULL,
    provider     TEXT    NOT NULL,
    event_id     BIGINT  NOT NULL,
    type         TEXT    NOT NULL,
    outcome      TEXT    NOT NULL,
    reason       TEXT    NOT NULL,                 -- why it was ignored
    attempts     BIGINT  NOT NULL,
    customer_id  BIGINT,                           -- the person it was about
    case_id      BIGINT,                           -- of an event that names a case and no person
    processed_at BIGINT  NOT NULL,
    PRIMARY KEY (external_id, provider)
) WITHOUT ROWID;

-- The indexes for the lists of the admin API: a list takes as long with a million rows as with ten.
CREATE INDEX processed_events_provider ON processed_events (provider, event_id);
CREATE INDEX processed_events_type ON processed_events (type, event_id);
CREATE INDEX processed_events_outcome ON processed_events (outcome, event_id);
CREATE INDEX processed_events_customer ON processed_events (customer_id, event_id) WHERE customer_id IS NOT NULL;
CREATE INDEX processed_events_case ON processed_events (case_id, event_id) WHERE case_id IS NOT NULL;

-- The facts that events have established. Each keeps its newest version: by the provider's time, then rank (the more severe value), then
-- the external ID of the event.
CREATE TABLE facts (
    about       TEXT    NOT NULL CHECK (about IN ('customer', 'case', 'company')),
    about_id    BIGINT  NOT NULL,                  -- the ID in customers, cases or companies
    name        TEXT    NOT NULL,
    key         TEXT    NOT NULL,                  -- distinguishes facts of one name, such as two checks
    value       TEXT    NOT NULL,                  -- JSON
    at          BIGINT  NOT NULL,
    rank        BIGINT  NOT NULL,
    external_id TEXT    NOT NULL,
    PRIMARY KEY (about, about_id, name, key)
) WITHOUT ROWID;

-- The rows of customers, cases and companies follow from the facts.

CREATE TABLE customers (
    id               INTEGER PRIMARY KEY,
    provider         TEXT    NOT NULL,
    subject_id       TEXT    NOT NULL,             -- the provider's own ID of the person
    external_id      TEXT    NOT NULL DEFAULT '',  -- the integrator's own user ID, where the provider sends it
    tenant_id        TEXT    NOT NULL DEFAULT '',
    first_name       TEXT    NOT NULL DEFAULT '',
    last_name        TEXT    NOT NULL DEFAULT '',
    email            TEXT    NOT NULL DEFAULT '',
    status           TEXT    NOT NULL
        CHECK (status IN ('pending', 'in_progress', 'in_review', 'verified', 'failed', 'rejected', 'withdrawn')),
    status_reason    TEXT    NOT NULL DEFAULT '',
    status_at        BIGINT  NOT NULL DEFAULT 0,
    decided_by       TEXT    NOT NULL DEFAULT '',
    risk_level       TEXT    NOT NULL DEFAULT '',
    risk_score       BIGINT,
    flags            TEXT    NOT NULL DEFAULT '[]',
    screening_status TEXT    NOT NULL DEFAULT '',
    aml_hold         BOOLEAN NOT NULL DEFAULT FALSE,
    sandbox          BOOLEAN NOT NULL DEFAULT FALSE,
    has_cases        BOOLEAN NOT NULL DEFAULT FALSE,  -- a case is, or was, linked to the person
    events           BIGINT  NOT NULL DEFAULT 0,   -- processed events that named this person
    revision         BIGINT  NOT NULL DEFAULT 0,   -- the same plus the events of the person's cases
    created_at       BIGINT  NOT NULL,
    updated_at       BIGINT  NOT NULL,
    UNIQUE (provider, subject_id)
);

CREATE INDEX customers_subject ON customers (subject_id, id);
CREATE INDEX customers_external_id ON customers (external_id, id) WHERE external_id <> '';
CREATE INDEX customers_status ON customers (status, id);
CREATE INDEX customers_hold ON customers (id) WHERE aml_hold;

CREATE TABLE cases (
    id               INTEGER PRIMARY KEY,
    provider         TEXT    NOT NULL,
    case_id          TEXT    NOT NULL,
    customer_id      BIGINT,                       -- null until an event links the case to a person
    subject_id       TEXT    NOT NULL DEFAULT '',
    company_id       TEXT    NOT NULL DEFAULT '',
    type             TEXT    NOT NULL DEFAULT '',
    priority         TEXT    NOT NULL DEFAULT '',
    reason           TEXT    NOT NULL DEFAULT '',
    opened_at        BIGINT  NOT NULL DEFAULT 0,
    assignee         TEXT    NOT NULL DEFAULT '',
    assigned_at      BIGINT  NOT NULL DEFAULT 0,
    status           TEXT    NOT NULL DEFAULT '',
    status_at        BIGINT  NOT NULL DEFAULT 0,
    escalated_to     TEXT    NOT NULL DEFAULT '',
    escalation       TEXT    NOT NULL DEFAULT '',  -- why
    escalated_at     BIGINT  NOT NULL DEFAULT 0,
    resolution       TEXT    NOT NULL DEFAULT '',
    applicant_action TEXT    NOT NULL DEFAULT '',
    resolver         TEXT    NOT NULL DEFAULT '',
    resolved_at      BIGINT  NOT NULL DEFAULT 0,
    resolved_by      TEXT    NOT NULL DEFAULT '',
    events           BIGINT  NOT NULL DEFAULT 0,   -- processed events that named the case and no person
    created_at       BIGINT  NOT NULL,
    updated_at       BIGINT  NOT NULL,
    UNIQUE (provider, case_id)
);

CREATE INDEX cases_customer ON cases (customer_id) WHERE customer_id IS NOT NULL;

CREATE TABLE companies (
    id                  INTEGER PRIMARY KEY,
    provider            TEXT    NOT NULL,
    company_id          TEXT    NOT NULL,
    legal_name          TEXT    NOT NULL DEFAULT '',
    registration_number TEXT    NOT NULL DEFAULT '',
    country             TEXT    NOT NULL DEFAULT '',
    registered_at       BIGINT  NOT NULL DEFAULT 0,
    status              TEXT    NOT NULL CHECK (status IN ('pending', 'in_review', 'verified', 'failed')),
    registry_match      BOOLEAN NOT NULL DEFAULT FALSE,
    owner_count         BIGINT  NOT NULL DEFAULT 0,
    owners_verified     BIGINT  NOT NULL DEFAULT 0,
    verified_at         BIGINT  NOT NULL DEFAULT 0,
    created_at          BIGINT  NOT NULL,
    updated_at          BIGINT  NOT NULL,
    UNIQUE (provider, company_id)
);

-- What has to be done outside the database, and its result.
CREATE TABLE follow_ups (
    id          INTEGER PRIMARY KEY,
    key         TEXT    NOT NULL,                  -- the idempotency key: a hash of event, customer and name
    name        TEXT    NOT NULL,
    once        BOOLEAN NOT NULL,                  -- at most one of this name for the customer
    customer_id BIGINT  NOT NULL,
    event_id    BIGINT  NOT NULL,                  -- the event that caused it
    change      BLOB NOT NULL,                  -- JSON: the customer before and after, and the event
    result      TEXT    NOT NULL DEFAULT '' CHECK (result IN ('', 'done', 'logged', 'overtaken')),
    note        TEXT    NOT NULL DEFAULT '',       -- why it was logged or overtaken
    created_at  BIGINT  NOT NULL,
    done_at     BIGINT  NOT NULL DEFAULT 0,
    queue       TEXT    NOT NULL,
    due_at      BIGINT  NOT NULL,                  -- as in pending_events
    attempts    BIGINT  NOT NULL DEFAULT 0,
    failed      BOOLEAN NOT NULL DEFAULT FALSE,
    last_error  TEXT    NOT NULL DEFAULT ''
);

CREATE UNIQUE INDEX follow_ups_once ON follow_ups (customer_id, name) WHERE once AND result <> 'overtaken';
CREATE INDEX follow_ups_due ON follow_ups (queue, due_at) WHERE due_at > 0;
CREATE INDEX follow_ups_failed ON follow_ups (id) WHERE failed;
CREATE INDEX follow_ups_customer ON follow_ups (customer_id, id);
CREATE UNIQUE INDEX follow_ups_event ON follow_ups (event_id, customer_id, name);
CREATE INDEX follow_ups_name ON follow_ups (name, id);
CREATE INDEX follow_ups_result ON follow_ups (result, id);

-- How payloads differ from what this program knows: a new field or value, or a missing field.
CREATE TABLE drift (
    provider   TEXT    NOT NULL,
    generation TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    what       TEXT    NOT NULL,
    count      BIGINT  NOT NULL,
    first_at   BIGINT  NOT NULL,
    last_at    BIGINT  NOT NULL,
    PRIMARY KEY (provider, generation, type, what)
);

-- One row. Its id is part of the names of this installation's queues, so that two installations can share a Redis. probed_at is written to
-- find out whether the database accepts writes.
CREATE TABLE installation (
    id        TEXT   NOT NULL,
    probed_at BIGINT NOT NULL
);

INSERT INTO installation VALUES (lower(hex(randomblob(4))), 0);

-- +goose Down
DROP TABLE installation;
DROP TABLE drift;
DROP TABLE follow_ups;
DROP TABLE companies;
DROP TABLE cases;
DROP TABLE customers;
DROP TABLE facts;
DROP TABLE processed_events;
DROP TABLE failed_attempts;
DROP TABLE pending_events;
DROP TABLE events;
