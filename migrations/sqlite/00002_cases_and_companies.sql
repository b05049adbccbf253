-- +goose Up

-- A case's whole life. Each part has its own time and the external ID of the event that said so.
ALTER TABLE cases ADD COLUMN company_id       TEXT    NOT NULL DEFAULT ''; -- for a case about a company
ALTER TABLE cases ADD COLUMN assignee         TEXT    NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN assigned_at      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN assigned_by      TEXT    NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN status           TEXT    NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN status_at        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN status_by        TEXT    NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN escalated_to     TEXT    NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN escalation       TEXT    NOT NULL DEFAULT ''; -- why
ALTER TABLE cases ADD COLUMN escalated_at     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN escalated_by     TEXT    NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN resolution       TEXT    NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN applicant_action TEXT    NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN resolver         TEXT    NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN resolved_at      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN resolved_by      TEXT    NOT NULL DEFAULT '';

-- Companies, and the people behind them, who may arrive first.
CREATE TABLE companies (
    id                  INTEGER PRIMARY KEY,
    provider            TEXT    NOT NULL,
    company_id          TEXT    NOT NULL,
    legal_name          TEXT    NOT NULL DEFAULT '',
    registration_number TEXT    NOT NULL DEFAULT '',
    country             TEXT    NOT NULL DEFAULT '',
    registered_at       INTEGER NOT NULL DEFAULT 0,
    registered_by       TEXT    NOT NULL DEFAULT '',
    status              TEXT    NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_review', 'verified', 'failed')),
    registry_match      BOOLEAN NOT NULL DEFAULT FALSE,
    owner_count         INTEGER NOT NULL DEFAULT 0,
    owners_verified     INTEGER NOT NULL DEFAULT 0,
    verified_at         INTEGER NOT NULL DEFAULT 0,
    verified_by         TEXT    NOT NULL DEFAULT '',
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    UNIQUE (provider, company_id)
);

CREATE TABLE beneficial_owners (
    company     INTEGER NOT NULL REFERENCES companies (id),
    owner_id    TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    percentage  REAL    NOT NULL, -- of ownership, 0 to 100
    status      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    external_id TEXT    NOT NULL,
    PRIMARY KEY (company, owner_id)
) WITHOUT ROWID;

-- How payloads differ from what this program knows: a field or a value it has never seen, a field it misses.
CREATE TABLE drift (
    provider   TEXT    NOT NULL,
    generation TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    what       TEXT    NOT NULL,
    count      INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    PRIMARY KEY (provider, generation, type, what)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE drift;
DROP TABLE beneficial_owners;
DROP TABLE companies;
ALTER TABLE cases DROP COLUMN resolved_by;
ALTER TABLE cases DROP COLUMN resolved_at;
ALTER TABLE cases DROP COLUMN resolver;
ALTER TABLE cases DROP COLUMN applicant_action;
ALTER TABLE cases DROP COLUMN resolution;
ALTER TABLE cases DROP COLUMN escalated_by;
ALTER TABLE cases DROP COLUMN escalated_at;
ALTER TABLE cases DROP COLUMN escalation;
ALTER TABLE cases DROP COLUMN escalated_to;
ALTER TABLE cases DROP COLUMN status_by;
ALTER TABLE cases DROP COLUMN status_at;
ALTER TABLE cases DROP COLUMN status;
ALTER TABLE cases DROP COLUMN assigned_by;
ALTER TABLE cases DROP COLUMN assigned_at;
ALTER TABLE cases DROP COLUMN assignee;
ALTER TABLE cases DROP COLUMN company_id;
