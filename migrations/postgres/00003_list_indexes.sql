-- +goose Up

-- What the admin API lists by, so that a list takes as long with a million rows as with ten.
CREATE INDEX events_provider ON events (provider, id);
CREATE INDEX events_type ON events (type, id);
CREATE INDEX events_outcome ON events (outcome, id) WHERE outcome IN ('stale', 'ignored', 'duplicate', 'sandbox');
CREATE INDEX customers_provider ON customers (provider, id);
CREATE INDEX customers_subject ON customers (subject_id, id);
CREATE INDEX customers_status ON customers (status, id);
CREATE INDEX customers_hold ON customers (id) WHERE aml_hold;

-- Whether an event is quarantined is known from the start. An index on the others that read it from the status would be rewritten
-- with each step of an event. An external ID is looked for without its provider, too.
ALTER TABLE events ADD COLUMN quarantined BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE events SET quarantined = TRUE WHERE status = 'quarantined';
DROP INDEX events_identity;
DROP INDEX events_quarantine;
CREATE UNIQUE INDEX events_identity ON events (external_id, provider) WHERE NOT quarantined;
CREATE UNIQUE INDEX events_quarantine ON events (external_id, provider, sha256) WHERE quarantined;

-- +goose Down

DROP INDEX events_quarantine;
DROP INDEX events_identity;
ALTER TABLE events DROP COLUMN quarantined;
CREATE UNIQUE INDEX events_identity ON events (provider, external_id) WHERE status <> 'quarantined';
CREATE UNIQUE INDEX events_quarantine ON events (provider, external_id, sha256) WHERE status = 'quarantined';
DROP INDEX customers_hold;
DROP INDEX customers_status;
DROP INDEX customers_subject;
DROP INDEX customers_provider;
DROP INDEX events_outcome;
DROP INDEX events_type;
DROP INDEX events_provider;
