-- The truth about one run. Every report can be rebuilt from this file.
--
-- A checksum is that of all other values of its row; NULL where an older version of this program wrote them.

CREATE TABLE meta (
    name     TEXT PRIMARY KEY,
    value    TEXT NOT NULL,
    checksum INTEGER
) WITHOUT ROWID;

-- Every input row. Written once, before the first request; never changed after that. `pulled` is a JSON object of what
-- the record must still be: as its pulled sheet says, or a plan. (SQLite keeps the text of these statements, and it has
-- to fit into the file's first page: then a journal of which all others are damaged is still known as one.)
CREATE TABLE row (
    key       INTEGER PRIMARY KEY,  -- its file above the lowest 32 bits, its number in them
    cells     TEXT NOT NULL,        -- JSON array of the cells as typed
    record_id TEXT,                 -- the id as typed; NULL where the row names no record
    path      TEXT,                 -- path and query of the request; NULL where nothing is to be sent
    fields    TEXT,                 -- JSON object of the fields to set
    carrier   INTEGER,              -- key of the row whose request sets this row's fields too (on_duplicate: merge)
    pulled    TEXT,
    checksum  INTEGER,
    file      INTEGER GENERATED ALWAYS AS (key >> 32) VIRTUAL,       -- the index of the row's file, from 0
    number    INTEGER GENERATED ALWAYS AS (key & 4294967295) VIRTUAL -- as the spreadsheet program shows it
);

-- Intent before action: a row stands here, durably, before its first request leaves.
CREATE TABLE started (
    key        INTEGER PRIMARY KEY,
    claimed    INTEGER NOT NULL DEFAULT 1,  -- 1: handed out to be sent by the newest session
    unanswered INTEGER NOT NULL DEFAULT 0   -- 1: an earlier request may have been applied; 2: though it got an error
);

-- What became of a row. A result that is not final is reported, and tried again when the run is resumed.
CREATE TABLE result (
    key         INTEGER PRIMARY KEY,
    final       INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    http_status INTEGER,
    attempts    INTEGER NOT NULL,
    error       TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    location    TEXT NOT NULL,
    finished_at REAL,               -- seconds since 1970, UTC
    duration_ms REAL,               -- of the last request
    checksum    INTEGER
);

-- What records were before their changes, as far as it was read.
CREATE TABLE before (
    key      INTEGER PRIMARY KEY,
    state    TEXT NOT NULL,         -- JSON; see `batchupdate.targets.seen`
    checksum INTEGER
);

-- What `capture` found in the replies to changes.
CREATE TABLE captured (
    key      INTEGER PRIMARY KEY,
    found    TEXT NOT NULL,         -- JSON object of texts by name
    checksum INTEGER
);

-- Every process that worked on this run.
CREATE TABLE session (
    id            INTEGER PRIMARY KEY,
    started_at    REAL NOT NULL,
    finished_at   REAL,             -- or when it was last heard of
    sent          INTEGER NOT NULL DEFAULT 0,
    retried       INTEGER NOT NULL DEFAULT 0,
    throttled     INTEGER NOT NULL DEFAULT 0,
    waited_s      REAL NOT NULL DEFAULT 0,
    exit_code     INTEGER,
    allowed_per_s REAL,             -- requests/s that the API took at most, as far as it let us find out
    in_flight     TEXT,             -- its in-flight map; 'settled …' once its content stands here
    commits       INTEGER NOT NULL DEFAULT 0
);

-- Requests that earlier sessions sent for a row that is tried again, as far as known.
CREATE TABLE earlier (
    key  INTEGER PRIMARY KEY,
    sent INTEGER NOT NULL
);

-- The one place that says what became of every row, also of those that nobody finished.
CREATE VIEW outcome AS
SELECT
    row.key, row.file, row.number, row.cells, coalesce(row.record_id, '') AS record_id,
    coalesce(result.outcome, CASE WHEN started.key IS NULL THEN 'not_attempted' ELSE 'unknown' END) AS outcome,
    result.http_status,
    coalesce(result.attempts, earlier.sent, 0) AS attempts,
    CASE
        WHEN result.key IS NULL AND started.key IS NOT NULL
            THEN 'the run ended before this row''s answer came; it may or may not have been applied'
        WHEN row.carrier IS NOT NULL AND result.error = '' THEN 'sent together with ' || coalesce(
            (   -- of several files
                SELECT json_extract(value, '$.files[' || (row.carrier >> 32) || '].name') || ' row '
                    || (row.carrier & 4294967295)
                FROM meta WHERE name = 'input'
            ),
            'row ' || row.carrier
        )
        ELSE coalesce(result.error, '')
    END AS error,
    coalesce(result.request_id, '') AS request_id,
    coalesce(result.location, '') AS location,
    result.finished_at,
    result.duration_ms
FROM row
LEFT JOIN result ON result.key = coalesce(row.carrier, row.key)
LEFT JOIN started ON started.key = coalesce(row.carrier, row.key)
LEFT JOIN earlier ON earlier.key = coalesce(row.carrier, row.key);

-- Rows that another run has sent again.
CREATE TABLE given (
    key INTEGER PRIMARY KEY,
    run TEXT NOT NULL
);

-- How far each session was from time to time: its requests so far, and the rate that it kept. A long run has fewer.
CREATE TABLE pace (
    session     INTEGER NOT NULL,
    at          REAL NOT NULL,      -- seconds since 1970, UTC
    sent        INTEGER NOT NULL,
    throttled   INTEGER NOT NULL,
    waited_s    REAL NOT NULL,
    limit_per_s REAL                -- requests/s; NULL for none
);
