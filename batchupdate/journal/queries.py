"""Every SQL statement of the journal but those that make its tables (schema.sql), or compare rows (before_queries).

A question mark that a comment calls a batch takes one JSON text that holds many values: SQLite then works through them
without taking Python's interpreter lock at every row. `key` is `RowRef.key`.
"""

from __future__ import annotations

from batchupdate.journal.checksum import RESULT, ROW

# What the run is.

SET_META = """
    INSERT OR REPLACE INTO meta SELECT name, value, of_fact(name, value)
    FROM (SELECT json_extract(value, '$[0]') AS name, json_extract(value, '$[1]') AS value FROM json_each(?))
"""
META = "SELECT name, value, checksum IS NULL OR checksum = of_fact(name, value) FROM meta"
QUICK_CHECK = "PRAGMA quick_check(1)"

# Checksums. What a statement has changed has none until `SIGN`, at the end of the ingest or when a session begins.

SIGN = (
    "UPDATE meta SET checksum = of_fact(name, value) WHERE checksum IS NULL",
    f"UPDATE row SET checksum = of_row({ROW}) WHERE checksum IS NULL",  # noqa: S608 - our own words
    f"UPDATE result SET checksum = of_result({RESULT}) WHERE checksum IS NULL",  # noqa: S608 - as above
)
ROWS = f"SELECT checksum, {ROW} FROM row ORDER BY key"  # noqa: S608 - as above
RESULTS = f"SELECT checksum, finished_at, duration_ms, {RESULT} FROM result ORDER BY key"  # noqa: S608 - as above
EMPTY_ROW = """
    UPDATE row SET cells = '[]', record_id = NULL, path = NULL, fields = NULL, carrier = NULL, pulled = NULL,
        checksum = NULL
    WHERE key = ?
"""
DROP_STRAY = "DELETE FROM result WHERE key = ? AND key NOT IN (SELECT key FROM row)"
NOTE_DAMAGE = """
    UPDATE result SET error = CASE WHEN error = '' THEN ?2 ELSE error || '; ' || ?2 END, checksum = NULL
    WHERE key = ?1 AND final
"""
MAY_HAVE_LEFT = """
    SELECT carrier IS NOT NULL OR key IN (SELECT key FROM started) OR key IN (SELECT key FROM earlier)
    FROM row WHERE key = ?
"""

# Ingest.

ADD_ROWS = "INSERT INTO row (key, cells, record_id, path, fields, pulled, checksum)"
ADD_RESULTS = f"INSERT OR REPLACE INTO result ({RESULT}, finished_at, duration_ms, checksum)"
ADD_CAPTURED = "INSERT OR REPLACE INTO captured (key, found, checksum)"
WITHDRAW = "UPDATE row SET path = NULL, checksum = NULL WHERE key IN (SELECT value FROM json_each(?))"
FIELDS = """
    SELECT CASE WHEN path IS NOT NULL THEN fields END FROM row WHERE key IN (SELECT value FROM json_each(?))
    ORDER BY key
"""
PULLED = "SELECT pulled FROM row WHERE key IN (SELECT value FROM json_each(?)) ORDER BY key"
CARRY = """
    UPDATE row SET carrier = json_extract(?1, '$[0]'), checksum = NULL
    WHERE key IN (SELECT value FROM json_each(?1, '$[1]'))
"""
SET_FIELDS = """
    UPDATE row SET fields = json_extract(?1, '$[1]'), pulled = json_extract(?1, '$[2]'), checksum = NULL
    WHERE key = json_extract(?1, '$[0]')
"""

# A sample: of the rows that can be sent, those that `drawn` puts first, and what their requests carry along.

COUNT_BY_FILE = "SELECT file, count(*) FROM row GROUP BY file"
DRAW = """
    DELETE FROM row WHERE coalesce(carrier, key) NOT IN (
        SELECT key FROM row WHERE path IS NOT NULL AND carrier IS NULL ORDER BY drawn(?, key), key LIMIT ?
    )
"""
DROP_RESULTS_WITHOUT_ROW = "DELETE FROM result WHERE key NOT IN (SELECT key FROM row)"

# Rows that are `failed` by an answer that leaves open whether the change was applied; the statuses are a batch
# (`api.verdict.errors_in_doubt`).

_FAILED_UNSURE = "outcome = 'failed' AND attempts AND http_status IN (SELECT value FROM json_each(?{}))"

# Rows for a retry, which is a run of its own.

_SELECTED = """
    WITH wanted AS (
        SELECT coalesce(row.carrier, row.key) AS leader
        FROM outcome JOIN row ON row.key = outcome.key
        WHERE row.fields IS NOT NULL AND row.key NOT IN (SELECT key FROM given)
          AND ({})
          AND (?2 = '[]' OR EXISTS (
              SELECT 1 FROM json_each(?2)
              WHERE http_status BETWEEN json_extract(value, '$[0]') AND json_extract(value, '$[1]')))
          AND (?3 = '[]' OR EXISTS (
              SELECT 1 FROM json_each(?3)
              WHERE row.key BETWEEN json_extract(value, '$[0]') AND json_extract(value, '$[1]')))
    )
    SELECT key FROM row WHERE coalesce(carrier, key) IN (SELECT leader FROM wanted) ORDER BY key
"""  # outcomes, spans of statuses, spans of keys: each a batch
SELECTED = _SELECTED.format("outcome.outcome IN (SELECT value FROM json_each(?1))")
MAY_HAVE_CHANGED = _SELECTED.format(
    f"outcome.outcome IN ('updated', 'accepted', 'unknown') OR ({_FAILED_UNSURE.format(4)})"
    " OR (outcome.outcome = 'failed' AND attempts AND http_status BETWEEN 200 AND 299)"  # and then denied
)
COPIES = f"""
    SELECT row.key, cells, record_id, path, coalesce(wanted.fields, row.fields), carrier, pulled,
           CASE WHEN wanted.key IS NULL THEN row.checksum END,
           CASE WHEN carrier IS NULL THEN (
               SELECT CASE WHEN outcome = 'unknown' THEN 1 WHEN {_FAILED_UNSURE.format(2)} THEN 2 ELSE 0 END
               FROM outcome WHERE outcome.key = row.key
           ) ELSE 0 END
    FROM row
    LEFT JOIN wanted ON ?3 AND wanted.key = row.key AND wanted.checksum = of_fact(wanted.key, wanted.fields)
    WHERE row.key IN (SELECT value FROM json_each(?1)) ORDER BY row.key
"""  # noqa: S608 - our own words
ADD_COPIES = f"INSERT INTO row ({ROW}, checksum)"
ADD_UNANSWERED = "INSERT INTO started (key, claimed, unanswered)"
GIVE_AWAY = """
    INSERT OR REPLACE INTO result (key, final, outcome, http_status, attempts, error, request_id, location,
                                   finished_at, duration_ms)
    SELECT row.key, 1, outcome.outcome, outcome.http_status, outcome.attempts,
           outcome.error || CASE WHEN outcome.error = '' THEN '' ELSE '; ' END || ?2,
           outcome.request_id, outcome.location, outcome.finished_at, outcome.duration_ms
    FROM row JOIN outcome ON outcome.key = row.key LEFT JOIN result ON result.key = row.key
    WHERE row.key IN (SELECT value FROM json_each(?1))
      AND row.path IS NOT NULL AND row.carrier IS NULL AND NOT coalesce(result.final, 0)
"""
ADD_GIVEN = "INSERT OR REPLACE INTO given SELECT value, ? FROM json_each(?)"
COUNT_GIVEN = """
    SELECT given.run, outcome, count(*) FROM given JOIN outcome ON outcome.key = given.key
    GROUP BY given.run, outcome ORDER BY given.run DESC
"""

# A killed session, whose in-flight map says which of the claimed rows were out. A row that is neither claimed nor
# unanswered does not stand in `started`, unless a bit of it has flipped: it counts as claimed.

LAST_SESSION = "SELECT id, in_flight, commits FROM session ORDER BY id DESC LIMIT 1"
ADD_LEFT_RESULTS = ADD_RESULTS.replace("REPLACE", "IGNORE")
ADD_LEFT_CAPTURED = ADD_CAPTURED.replace("REPLACE", "IGNORE")
CLAIM_IN_FLIGHT = """
    INSERT INTO started (key) SELECT json_extract(value, '$[0]') FROM json_each(?) WHERE true
    ON CONFLICT (key) DO UPDATE SET claimed = 1
"""
SENT_IN_FLIGHT = """
    INSERT OR REPLACE INTO earlier
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)
    WHERE json_extract(value, '$[1]')
"""
_NEVER_LEFT = """
    (claimed OR NOT unanswered) AND key NOT IN (SELECT key FROM result)
    AND key NOT IN (SELECT json_extract(value, '$[0]') FROM json_each(?))
"""
FORGET_UNSENT = f"DELETE FROM started WHERE NOT unanswered AND {_NEVER_LEFT}"  # noqa: S608 - our own words
UNCLAIM_UNSENT = f"UPDATE started SET claimed = 0 WHERE {_NEVER_LEFT}"  # noqa: S608 - as above
FORGET_MAP = "UPDATE session SET in_flight = 'settled ' || in_flight WHERE id = ? AND in_flight NOT LIKE 'settled %'"
IS_KNOWN_MAP = "SELECT count(*) FROM session WHERE in_flight IN (?1, 'settled ' || ?1)"
HAS_LOST_MAP = """
    SELECT count(*) FROM session WHERE id = (SELECT max(id) FROM session) AND exit_code IS NULL
    AND in_flight IS NOT NULL AND in_flight NOT LIKE 'settled %'
"""
CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"

# A session begins.

MARK_UNANSWERED = """
    UPDATE started SET unanswered = 1
    WHERE ((claimed OR NOT unanswered) AND key NOT IN (SELECT key FROM result))
       OR key IN (SELECT key FROM result WHERE NOT final AND outcome = 'unknown')
"""  # what was unknown stays so until there is an answer
MARK_UNSURE = f"""
    UPDATE started SET unanswered = 2
    WHERE NOT unanswered AND key IN (SELECT key FROM result WHERE NOT final AND {_FAILED_UNSURE.format(1)})
"""  # noqa: S608 - as above
KEEP_UNKNOWN = f"""
    UPDATE result SET final = 1, outcome = 'unknown', checksum = NULL
    WHERE NOT final AND (outcome = 'unknown' OR ({_FAILED_UNSURE.format(1)}))
"""  # noqa: S608 - as above
CLOSE_WHAT_WAS_OUT = """
    INSERT INTO result (key, final, outcome, attempts, error, request_id, location)
    SELECT started.key, 1, 'unknown', coalesce(sent, 0) + 1, ?, '', ''
    FROM started LEFT JOIN earlier ON earlier.key = started.key
    WHERE (claimed OR NOT unanswered) AND started.key NOT IN (SELECT key FROM result)
"""
FORGET_ANSWERED = """
    DELETE FROM started WHERE NOT unanswered AND key IN (SELECT key FROM result WHERE NOT final)
"""
SUM_UP_ATTEMPTS = "INSERT OR REPLACE INTO earlier SELECT key, attempts FROM result WHERE NOT final"
DROP_UNFINISHED = "DELETE FROM result WHERE NOT final"
DROP_CAPTURED = "DELETE FROM captured WHERE key NOT IN (SELECT key FROM result)"
UNCLAIM_ALL = "UPDATE started SET claimed = 0 WHERE claimed AND key NOT IN (SELECT key FROM result)"
BEGIN_SESSION = "INSERT INTO session (started_at, in_flight) VALUES (?, ?)"

# The work.

UPCOMING = """
    SELECT row.key, record_id, path, fields, coalesce(sent, 0), coalesce(unanswered, 0), pulled, cells,
           row.checksum
    FROM row LEFT JOIN started ON started.key = row.key LEFT JOIN earlier ON earlier.key = row.key
    WHERE row.key > ? AND path IS NOT NULL AND carrier IS NULL
      AND NOT EXISTS (SELECT 1 FROM result WHERE result.key = row.key)
    ORDER BY row.key LIMIT ?
"""
UNANSWERED = """
    SELECT row.key, record_id, path, fields, coalesce(attempts, sent, 0), max(unanswered, 1), pulled, cells,
           row.checksum
    FROM started
    JOIN row ON row.key = started.key
    LEFT JOIN earlier ON earlier.key = started.key
    LEFT JOIN result ON result.key = started.key
    WHERE started.key > ? AND path IS NOT NULL AND carrier IS NULL
      AND (outcome = 'unknown' OR (outcome IS NULL AND unanswered))
    ORDER BY started.key LIMIT ?
"""  # from `started`, where whatever may have been applied stands: a new run has none, and need not look at its rows
CLAIM = """
    INSERT INTO started (key) SELECT value FROM json_each(?) WHERE true
    ON CONFLICT (key) DO UPDATE SET claimed = 1
"""
RELEASE = "DELETE FROM started WHERE NOT unanswered AND key IN (SELECT value FROM json_each(?))"
UNCLAIM = "UPDATE started SET claimed = 0 WHERE key IN (SELECT value FROM json_each(?))"
COUNT_COMMIT = """
    UPDATE session SET commits = ?2 WHERE id = ?1 AND id = (SELECT max(id) FROM session)
"""
DENY = """
    UPDATE result SET outcome = 'failed', error = json_extract(each.value, '$[1]'), checksum = of_result(
        result.key, 'failed', http_status, attempts, json_extract(each.value, '$[1]'), request_id, location, final)
    FROM json_each(?) AS each WHERE result.key = json_extract(each.value, '$[0]') AND outcome = 'updated'
"""  # the API said so, and the record says otherwise
UPDATE_SESSION = """
    UPDATE session SET finished_at = ?2, sent = ?3, retried = ?4, throttled = ?5, waited_s = ?6,
        allowed_per_s = coalesce(?7, allowed_per_s) WHERE id = ?1
"""
END_SESSION = "UPDATE session SET exit_code = ? WHERE id = ?"
ADD_PACE = "INSERT INTO pace VALUES (?, ?, ?, ?, ?, ?)"
THIN_PACE = """
    DELETE FROM pace WHERE rowid IN (
        SELECT rowid FROM (SELECT rowid, row_number() OVER (ORDER BY rowid) AS nth FROM pace WHERE session = ?)
        WHERE nth % 2 = 0
    )
"""

# Reading.

COUNT_ROWS = "SELECT count(*) FROM row"
COUNT_CREATED = "SELECT count(*) FROM result WHERE http_status = 201 AND outcome = 'updated'"

COUNT_OUTCOMES = "SELECT outcome, count(*) FROM outcome GROUP BY outcome"
COUNT_TO_SEND = """
    SELECT count(*) FROM row WHERE path IS NOT NULL AND carrier IS NULL
    AND NOT EXISTS (SELECT 1 FROM result WHERE result.key = row.key AND final)
"""
COUNT_FIELDS = """
    SELECT name, count(*), sum(clears) FROM (
        SELECT field.key AS name, field.type = 'null' OR (field.type = 'text' AND field.atom = '')
            OR (field.type = 'array' AND field.value = '[]') AS clears
        FROM row, json_each(fields) AS field WHERE row.path IS NOT NULL AND carrier IS NULL
        AND NOT EXISTS (SELECT 1 FROM result WHERE result.key = row.key AND final)
    ) GROUP BY name ORDER BY count(*) DESC, name
"""
NTH_TO_SEND = """
    SELECT min(key), max(key), count(*) FROM (
        SELECT key FROM row WHERE path IS NOT NULL AND carrier IS NULL
        AND NOT EXISTS (SELECT 1 FROM result WHERE result.key = row.key AND final)
        ORDER BY key LIMIT ?
    )
"""
COUNT_AMONG = """
    SELECT outcome.outcome, count(*) FROM row JOIN outcome ON outcome.key = row.key
    WHERE row.key BETWEEN ? AND ? AND row.path IS NOT NULL AND row.carrier IS NULL GROUP BY outcome.outcome
"""
COUNT_LEFT_UNTIL = """
    SELECT count(*) FROM row WHERE key <= ? AND path IS NOT NULL AND carrier IS NULL
    AND NOT EXISTS (SELECT 1 FROM result WHERE result.key = row.key AND final)
"""
COUNT_PULLED = """
    SELECT coalesce(json_extract(pulled, '$.version'), '') <> '' AS version,
        json_type(pulled, '$.old') IS NOT NULL AS old,
        json_type(pulled, '$.expected') IS NOT NULL AS expected, json_type(pulled, '$.seen') IS NOT NULL AS seen,
        json_type(pulled, '$.matched') IS NOT NULL AS matched,
        json_extract(json_extract(pulled, '$.seen'), '$.gone') AS gone, min(pulled), count(*)
    FROM row WHERE path IS NOT NULL AND carrier IS NULL
    AND NOT EXISTS (SELECT 1 FROM result WHERE result.key = row.key AND final)
    GROUP BY version, old, expected, seen, matched, gone
"""  # of rows that are still to be sent
HAS_PULLED = "SELECT EXISTS (SELECT 1 FROM row WHERE pulled IS NOT NULL)"
COUNT_SENT = """
    SELECT count(*) FROM row
    WHERE coalesce(carrier, key) IN (SELECT key FROM started UNION ALL SELECT key FROM earlier WHERE sent)
"""
_LINE = "key, cells, record_id, outcome, http_status, attempts, error, request_id, location, finished_at, duration_ms"
LINES = f"SELECT {_LINE}, '' FROM outcome ORDER BY key"  # noqa: S608 - our own words
LINES_WITH = f"SELECT {_LINE}, '' FROM outcome WHERE outcome IN (SELECT value FROM json_each(?)) ORDER BY key"  # noqa: S608 - as above
HAS_CAPTURED = "SELECT EXISTS (SELECT 1 FROM captured)"
_CAPTURED = """
    coalesce((SELECT found FROM captured WHERE key = (SELECT coalesce(carrier, key) FROM row WHERE key = outcome.key)
    AND checksum = of_fact(key, found)), '')
"""
LINES_CAPTURED, LINES_CAPTURED_WITH = (query.replace(", ''", f", {_CAPTURED}") for query in (LINES, LINES_WITH))
SHOWN = f"""
    SELECT {", ".join(f"outcome.{name}" for name in _LINE.split(", "))}, {_CAPTURED},
        row.fields, before.state, row.pulled
    FROM outcome JOIN row ON row.key = outcome.key
    LEFT JOIN before ON before.key = coalesce(row.carrier, row.key) AND before.checksum = of_fact(before.key, state)
    WHERE outcome.outcome IN (SELECT value FROM json_each(?)) ORDER BY outcome.key
"""  # noqa: S608 - as above
SENT_CHANGES = """
    SELECT row.key, row.record_id, path, fields, outcome.outcome, outcome.http_status
    FROM row JOIN outcome ON outcome.key = row.key
    WHERE path IS NOT NULL AND fields IS NOT NULL AND carrier IS NULL
      AND outcome.outcome IN (SELECT value FROM json_each(?))
    ORDER BY row.key
"""
UNCHANGED_IN_THE_PLAN = """
    SELECT row.key, row.record_id, path, fields, outcome, http_status FROM row JOIN result ON result.key = row.key
    WHERE path IS NOT NULL AND fields IS NOT NULL AND carrier IS NULL AND outcome = 'unchanged'
      AND finished_at < (SELECT min(started_at) FROM session)
    ORDER BY row.key
"""
EXAMPLES = """
    SELECT key, record_id, fields FROM row WHERE path IS NOT NULL AND carrier IS NULL
    AND NOT EXISTS (SELECT 1 FROM result WHERE result.key = row.key AND final) ORDER BY key LIMIT ?
"""
_ERRORS = "SELECT key, record_id, outcome, http_status, error FROM outcome"
ERRORS = f"""
    {_ERRORS} WHERE error <> '' AND outcome IN ('failed', 'unknown', 'conflict', 'invalid', 'not_attempted')
    ORDER BY key
"""
ERRORS_AMONG = f"""
    {_ERRORS} WHERE error <> '' AND outcome IN ('failed', 'unknown', 'conflict') AND key BETWEEN ? AND ? ORDER BY key
"""
SESSIONS = """
    SELECT coalesce(sum(sent), 0), coalesce(sum(retried), 0), coalesce(sum(throttled), 0), coalesce(sum(waited_s), 0.0),
           (SELECT allowed_per_s FROM session WHERE allowed_per_s IS NOT NULL ORDER BY id DESC LIMIT 1),
           min(started_at), max(finished_at), coalesce(sum(finished_at - started_at), 0.0),
           (SELECT exit_code FROM session ORDER BY id DESC LIMIT 1)
    FROM session
"""

PACE = """
    SELECT session, at, sent, throttled, waited_s, limit_per_s FROM pace
    WHERE typeof(at) = 'real' AND typeof(sent) = 'integer' AND typeof(throttled) = 'integer'
        AND typeof(waited_s) = 'real' AND typeof(limit_per_s) IN ('real', 'null') ORDER BY session, rowid
"""
COUNT_DURATIONS = "SELECT count(*) FROM result WHERE typeof(duration_ms) = 'real'"
DURATIONS = """
    SELECT duration_ms, count(*) FROM result WHERE typeof(duration_ms) = 'real'
    GROUP BY duration_ms ORDER BY duration_ms
"""

# Two runs beside each other: rows of one record, and where there are several of it, in their order.

_SIDE = """
    {0} AS (
        SELECT outcome.key, outcome.number, outcome.record_id AS id, outcome.outcome, outcome.error, row.fields,
            CASE outcome.record_id WHEN '' THEN 'row ' || outcome.key ELSE 'id ' || outcome.record_id END AS pair,
            row_number() OVER (PARTITION BY outcome.record_id ORDER BY outcome.key) AS nth
        FROM {0}_run.outcome JOIN {0}_run.row ON row.key = outcome.key
    )
"""
_SIDES = f"WITH {_SIDE.format('one')}, {_SIDE.format('other')}"
_PAIR = "one.pair = other.pair AND (one.nth = other.nth OR one.id = '')"
DIFFERENCES = f"""
    {_SIDES}
    SELECT one.key, other.key, one.id, one.outcome, other.outcome, one.error, other.error, one.fields, other.fields
    FROM one LEFT JOIN other ON {_PAIR}
    WHERE other.key IS NULL OR one.outcome <> other.outcome OR one.fields IS NOT other.fields
    ORDER BY one.key
"""  # noqa: S608 - as above
ONLY_IN_OTHER = f"""
    {_SIDES}
    SELECT NULL, other.key, other.id, NULL, other.outcome, '', other.error, NULL, other.fields
    FROM other LEFT JOIN one ON {_PAIR} WHERE one.key IS NULL ORDER BY other.key
"""  # noqa: S608 - as above
ATTACH_ONE, ATTACH_OTHER = "ATTACH ? AS one_run", "ATTACH ? AS other_run"

# Rescue: what can be read of a damaged journal, key by key, into a new one.

SALVAGE_META = {
    "forwards": f"{META} ORDER BY name",
    "backwards": f"{META} ORDER BY name DESC",
}
ADD_META = "INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)"
SALVAGE = {
    "row": """
        SELECT key,
               CASE WHEN json_valid(cells) AND json_type(cells) = 'array'
                    AND NOT EXISTS (SELECT 1 FROM json_each(cells) WHERE type <> 'text')
                    AND (checksum IS NULL OR checksum = of_row(key, cells, record_id, path, fields, carrier, pulled))
                    THEN cells ELSE '[]' END,
               record_id, path, NULL, CASE WHEN carrier > 0 THEN carrier END
        FROM row WHERE key >= ? ORDER BY key
    """,
    "started": "SELECT key, claimed, unanswered FROM started WHERE key >= ? ORDER BY key",
    "result": """
        SELECT key, final, outcome, http_status, attempts, error, request_id, location, finished_at, duration_ms
        FROM result WHERE key >= ? AND final = 1
        AND (checksum IS NULL OR checksum = of_result(
            key, outcome, http_status, attempts, error, request_id, location, final))
        AND outcome IN (
            'updated', 'accepted', 'unchanged', 'invalid', 'conflict', 'failed', 'unknown', 'not_attempted'
        )
        AND typeof(attempts) = 'integer' AND attempts >= 0 AND typeof(http_status) IN ('integer', 'null')
        AND typeof(error) = 'text' AND typeof(request_id) = 'text' AND typeof(location) = 'text'
        AND typeof(finished_at) IN ('real', 'null') AND coalesce(finished_at, 0) BETWEEN 0 AND 1e11
        AND typeof(duration_ms) IN ('real', 'null') ORDER BY key
    """,  # one that is not final is true of a journal's newest state alone
    "before": "SELECT key, state, checksum FROM before WHERE key >= ? AND checksum = of_fact(key, state) ORDER BY key",
    "captured": """
        SELECT key, found, checksum FROM captured WHERE key >= ? AND checksum = of_fact(key, found) ORDER BY key
    """,
    "earlier": "SELECT key, sent FROM earlier WHERE key >= ? AND typeof(sent) = 'integer' ORDER BY key",
    "session": """
        SELECT id, started_at, finished_at, sent, retried, throttled, waited_s, exit_code, allowed_per_s
        FROM session WHERE id >= ?
        AND typeof(started_at) = 'real' AND started_at BETWEEN 0 AND 1e11
        AND typeof(finished_at) IN ('real', 'null') AND coalesce(finished_at, 0) BETWEEN 0 AND 1e11
        AND typeof(sent) = 'integer' AND typeof(retried) = 'integer' AND typeof(throttled) = 'integer'
        AND typeof(waited_s) = 'real' AND typeof(exit_code) IN ('integer', 'null')
        AND typeof(allowed_per_s) IN ('real', 'null') ORDER BY id
    """,
}
ADD_SALVAGED = {
    "row": "INSERT OR IGNORE INTO row (key, cells, record_id, path, fields, carrier) VALUES (?, ?, ?, ?, ?, ?)",
    "started": "INSERT OR IGNORE INTO started (key, claimed, unanswered) VALUES (?, ?, ?)",
    "result": """
        INSERT OR IGNORE INTO result
            (key, final, outcome, http_status, attempts, error, request_id, location, finished_at, duration_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """,
    "before": "INSERT OR IGNORE INTO before VALUES (?, ?, ?)",
    "captured": "INSERT OR IGNORE INTO captured VALUES (?, ?, ?)",
    "earlier": "INSERT OR IGNORE INTO earlier VALUES (?, ?)",
    "session": """
        INSERT OR IGNORE INTO session
            (id, started_at, finished_at, sent, retried, throttled, waited_s, exit_code, allowed_per_s)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    """,
}
HIGHEST_KEYS = (
    "SELECT max(key) FROM result WHERE key <= ?",
    "SELECT max(key) FROM started WHERE key <= ?",
    "SELECT max(key) FROM row WHERE key <= ?",
)
LIST_BY_RESULTS = """
    INSERT OR IGNORE INTO row (key, cells) SELECT key, '[]' FROM result UNION SELECT key, '[]' FROM started
"""
LIST_ROW = "INSERT OR IGNORE INTO row (key, cells) VALUES (?, '[]')"
COUNT_LISTED = "SELECT count(*) FROM row WHERE key BETWEEN ? AND ?"
COUNT_BARE = "SELECT count(*) FROM row WHERE cells = '[]'"
COUNT_UNKNOWN = "SELECT count(*) FROM outcome WHERE error = ?"
WIDTH = "SELECT coalesce(max(json_array_length(cells)), 0) FROM row"
CALL_THE_REST_UNKNOWN = """
    INSERT OR IGNORE INTO result (key, final, outcome, attempts, error, request_id, location)
    SELECT row.key, 1, 'unknown', coalesce(sent, 0), ?, '', ''
    FROM (SELECT DISTINCT coalesce(carrier, key) AS key FROM row) AS row LEFT JOIN earlier ON earlier.key = row.key
"""
COUNT_SESSIONS = "SELECT count(*), (SELECT exit_code FROM session ORDER BY id DESC LIMIT 1) FROM session"
