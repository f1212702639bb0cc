-- What is remembered of one environment beside git and the live objects; one of each kind.

CREATE TABLE memos (
    env           TEXT NOT NULL,
    kind          TEXT NOT NULL,
    body          TEXT NOT NULL,
    PRIMARY KEY (env, kind)
);
