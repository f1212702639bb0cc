-- Plain SQL that SQLite and PostgreSQL both take. Times are RFC 3339 texts and are never compared:
-- the ids of runs and events carry the order.

CREATE TABLE runs (
    id            TEXT PRIMARY KEY,
    env           TEXT NOT NULL,
    revision      TEXT NOT NULL,
    woken_by      TEXT NOT NULL,
    state         TEXT NOT NULL,
    started       TEXT NOT NULL,
    ended         TEXT,
    held          TEXT NOT NULL
);

CREATE INDEX runs_of_environment ON runs (env, id);

CREATE TABLE steps (
    run           TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    id            BIGINT NOT NULL,
    resource      TEXT NOT NULL,
    line          TEXT NOT NULL,
    outcome       TEXT,
    PRIMARY KEY (run, id)
);

CREATE TABLE log_lines (
    run           TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position      BIGINT NOT NULL,
    step          BIGINT NOT NULL,
    line          TEXT NOT NULL,
    PRIMARY KEY (run, position)
);

CREATE TABLE intents (
    token         TEXT PRIMARY KEY,
    env           TEXT NOT NULL,
    body          TEXT NOT NULL
);

CREATE INDEX intents_of_environment ON intents (env);

CREATE TABLE good_revisions (
    env           TEXT PRIMARY KEY,
    revision      TEXT NOT NULL
);

CREATE TABLE events (
    id            BIGINT PRIMARY KEY,
    at            TEXT NOT NULL,
    env           TEXT,
    body          TEXT NOT NULL
);

CREATE TABLE facts (
    name          TEXT PRIMARY KEY,
    value         TEXT NOT NULL
);
