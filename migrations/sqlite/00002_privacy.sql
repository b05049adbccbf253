-- +goose Up

-- Which of ENCRYPTION_KEYS the body is encrypted with; empty if it is not. A body that was removed is empty.
ALTER TABLE events ADD COLUMN body_key TEXT NOT NULL DEFAULT '';

-- The erasures of people. The table holds no personal data, and nothing that leads back to the person.
CREATE TABLE erasures (
    id          INTEGER PRIMARY KEY,
    customer_id BIGINT NOT NULL,                   -- the row that is gone
    provider    TEXT   NOT NULL,
    events      BIGINT NOT NULL,                   -- how many bodies were removed
    facts       BIGINT NOT NULL,                   -- how many rows were deleted, as in the next two
    cases       BIGINT NOT NULL,
    follow_ups  BIGINT NOT NULL,
    erased_at   BIGINT NOT NULL
);
CREATE INDEX erasures_customer ON erasures (customer_id);

-- The customer's place in the list of changes. It is null after a change, until the list is read.
ALTER TABLE customers ADD COLUMN sequence BIGINT;
CREATE UNIQUE INDEX customers_sequence ON customers (sequence) WHERE sequence IS NOT NULL;
CREATE INDEX customers_changed ON customers (id) WHERE sequence IS NULL;

-- The last place that was given. The greatest place in customers may be lower, because the customer who had it changed again.
ALTER TABLE installation ADD COLUMN last_sequence BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE installation DROP COLUMN last_sequence;
DROP INDEX customers_changed;
DROP INDEX customers_sequence;
ALTER TABLE customers DROP COLUMN sequence;
DROP TABLE erasures;
ALTER TABLE events DROP COLUMN body_key;
