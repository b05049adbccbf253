-- +goose Up

-- Whatever orders rows is an integer of Unix microseconds: SQLite compares times as text. 0 means "not yet" or "not said".

-- One row per person and provider, recomputed from the facts below.
CREATE TABLE customers (
    id               INTEGER PRIMARY KEY,
    provider         TEXT    NOT NULL,
    subject_id       TEXT    NOT NULL, -- the provider's own ID of the person
    external_id      TEXT    NOT NULL DEFAULT '', -- the integrator's own user ID, where the provider sends it
    tenant_id        TEXT    NOT NULL DEFAULT '',
    first_name       TEXT    NOT NULL DEFAULT '',
    last_name        TEXT    NOT NULL DEFAULT '',
    email            TEXT    NOT NULL DEFAULT '',
    status           TEXT    NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'in_progress', 'in_review', 'verified', 'failed', 'rejected', 'withdrawn')),
    status_reason    TEXT    NOT NULL DEFAULT '',
    status_at        INTEGER NOT NULL DEFAULT 0,
    decided_by       TEXT    NOT NULL DEFAULT '',
    risk_level       TEXT    NOT NULL DEFAULT '',
    risk_score       INTEGER,
    flags            TEXT    NOT NULL DEFAULT '[]',
    screening_status TEXT    NOT NULL DEFAULT '',
    aml_hold         BOOLEAN NOT NULL DEFAULT FALSE,
    sandbox          BOOLEAN NOT NULL DEFAULT FALSE,
    profile          TEXT    NOT NULL DEFAULT '{}', -- the newest version of each field above that comes from a payload
    events           INTEGER NOT NULL DEFAULT 0,    -- processed events that named this person
    revision         INTEGER NOT NULL DEFAULT 0,    -- the same plus the events of the person's cases
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    UNIQUE (provider, subject_id)
);

CREATE INDEX customers_external_id ON customers (external_id) WHERE external_id <> '';

-- A case's opening, link, assignment, status, escalation and resolution each have their own time. customer_id is null until
-- something links the case to a person.
CREATE TABLE cases (
    id               INTEGER PRIMARY KEY,
    provider         TEXT    NOT NULL,
    case_id          TEXT    NOT NULL,
    customer_id      INTEGER REFERENCES customers (id),
    events           INTEGER NOT NULL DEFAULT 0, -- processed events that named the case and nobody
    type             TEXT    NOT NULL DEFAULT '',
    priority         TEXT    NOT NULL DEFAULT '',
    reason           TEXT    NOT NULL DEFAULT '',
    opened_at        INTEGER NOT NULL DEFAULT 0,
    opened_by        TEXT    NOT NULL DEFAULT '',
    subject_id       TEXT    NOT NULL DEFAULT '',
    linked_at        INTEGER NOT NULL DEFAULT 0,
    linked_by        TEXT    NOT NULL DEFAULT '',
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    UNIQUE (provider, case_id)
);

CREATE INDEX cases_customer ON cases (customer_id) WHERE customer_id IS NOT NULL;

-- The inbox. Everything that was answered 200 is a row here.
CREATE TABLE events (
    id             INTEGER PRIMARY KEY,
    provider       TEXT    NOT NULL,
    generation     TEXT    NOT NULL,
    external_id    TEXT    NOT NULL,
    derived        BOOLEAN NOT NULL,           -- the provider gives no ID: external_id is computed from the body
    type           TEXT    NOT NULL,
    tenant_id      TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    queue          TEXT    NOT NULL CHECK (queue IN ('critical', 'default')),
    body           BLOB    NOT NULL,           -- exactly the bytes that were signed
    sha256         BLOB    NOT NULL,
    status         TEXT    NOT NULL CHECK (status IN ('received', 'queued', 'processed', 'failed', 'quarantined')),
    outcome        TEXT    NOT NULL DEFAULT '' CHECK (outcome IN ('', 'applied', 'stale', 'ignored', 'duplicate', 'sandbox')),
    last_error     TEXT    NOT NULL DEFAULT '',
    deliveries     INTEGER NOT NULL DEFAULT 1,
    attempts       INTEGER NOT NULL DEFAULT 0,
    offers         INTEGER NOT NULL DEFAULT 0, -- never reset: it makes each task's ID new
    unclaimed      INTEGER NOT NULL DEFAULT 0, -- offers since the last claim
    next_at        INTEGER NOT NULL,
    occurred_at    INTEGER NOT NULL,           -- the provider's clock; all other times are ours
    received_at    INTEGER NOT NULL,
    processed_at   INTEGER NOT NULL DEFAULT 0,
    customer_id    INTEGER REFERENCES customers (id),
    case_id        INTEGER REFERENCES cases (id) -- for an event that names a case and nobody
);

CREATE UNIQUE INDEX events_identity ON events (provider, external_id) WHERE status <> 'quarantined';
CREATE UNIQUE INDEX events_quarantine ON events (provider, external_id, sha256) WHERE status = 'quarantined';
CREATE INDEX events_due ON events (queue, next_at) WHERE status IN ('received', 'queued');
CREATE INDEX events_trouble ON events (status, id) WHERE status IN ('failed', 'quarantined');
CREATE INDEX events_customer ON events (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX events_case ON events (case_id, id) WHERE case_id IS NOT NULL;

-- The idempotency record. It holds no personal data and may outlive the event's row.
CREATE TABLE processed_events (
    provider     TEXT    NOT NULL,
    external_id  TEXT    NOT NULL,
    type         TEXT    NOT NULL,
    outcome      TEXT    NOT NULL,
    processed_at INTEGER NOT NULL,
    PRIMARY KEY (provider, external_id)
) WITHOUT ROWID;

-- Facts. Each keeps its newest version: the provider's time, then the more severe value, then the event's external ID.
CREATE TABLE decisions (
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    source      TEXT    NOT NULL CHECK (source IN ('session', 'applicant', 'case')),
    authority   TEXT    NOT NULL CHECK (authority IN ('manual', 'automatic', 'progress')),
    status      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    reviewer    TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    external_id TEXT    NOT NULL, -- of the event that said so
    PRIMARY KEY (customer_id, source, authority)
) WITHOUT ROWID;

CREATE TABLE checks (
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    kind        TEXT    NOT NULL CHECK (kind IN ('identity', 'ais', 'document', 'biometric', 'screening')),
    check_id    TEXT    NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('pending', 'passed', 'clear', 'not_run', 'in_review', 'error', 'failed', 'hit')),
    reason      TEXT    NOT NULL,
    hit_count   INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    external_id TEXT    NOT NULL,
    PRIMARY KEY (customer_id, kind, check_id)
) WITHOUT ROWID;

-- What a hit says and how it was resolved have their own times, and either may come first.
CREATE TABLE hits (
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    hit_id      TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('hit', 'alert')),
    check_ids   TEXT    NOT NULL, -- all checks that found it
    case_id     TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    confidence  REAL    NOT NULL, -- 0 to 100
    found_at    INTEGER NOT NULL,
    found_by    TEXT    NOT NULL,
    resolution  TEXT    NOT NULL,
    resolver    TEXT    NOT NULL,
    resolved_at INTEGER NOT NULL,
    resolved_by TEXT    NOT NULL,
    PRIMARY KEY (customer_id, hit_id)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE hits;
DROP TABLE checks;
DROP TABLE decisions;
DROP TABLE processed_events;
DROP TABLE events;
DROP TABLE cases;
DROP TABLE customers;
