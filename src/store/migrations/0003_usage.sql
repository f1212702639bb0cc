-- What environments have used in each hour of the last month; `begin` is in seconds since 1970.
CREATE TABLE usage_hours (
    env   TEXT NOT NULL,
    begin BIGINT NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (env, begin)
);
CREATE INDEX usage_hours_by_begin ON usage_hours (begin);
