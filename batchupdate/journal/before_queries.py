"""SQL statements for what records were before their changes: what was compared, planned, or read just before.

As in `batchupdate.journal.queries`, a question mark takes one JSON text where that holds many values.
"""

from __future__ import annotations

ADD_BEFORE = "INSERT OR REPLACE INTO before (key, state, checksum)"
BEFORE = """
    SELECT key, state FROM before
    WHERE key IN (SELECT value FROM json_each(?)) AND checksum = of_fact(key, state) ORDER BY key
"""
COUNT_BEFORE = "SELECT count(*) FROM before"
FIELDS_SET = (
    "SELECT DISTINCT each.key FROM row, json_each(row.fields) AS each WHERE row.path IS NOT NULL AND carrier IS NULL"
)
INDEX_PATHS = "CREATE INDEX IF NOT EXISTS row_path ON row (path)"
DROP_INDEX_OF_PATHS = "DROP INDEX IF EXISTS row_path"
_MAY_BE_APPLIED = """
    (EXISTS (SELECT 1 FROM started WHERE started.key = row.key
         AND (unanswered OR NOT EXISTS (SELECT 1 FROM result WHERE result.key = row.key)))
     OR EXISTS (SELECT 1 FROM result WHERE result.key = row.key AND NOT final AND outcome = 'unknown'))
"""
_TO_COMPARE = f"""
    path IS NOT NULL AND carrier IS NULL
    AND NOT EXISTS (SELECT 1 FROM result WHERE result.key = row.key AND final) AND NOT {_MAY_BE_APPLIED}
"""  # noqa: S608 - our own words
_UNSEEN = f"""
    SELECT row.key, record_id, path, fields, pulled,
        coalesce((SELECT attempts FROM result WHERE result.key = row.key),
            (SELECT sent FROM earlier WHERE earlier.key = row.key), 0)
    FROM row
    WHERE {_TO_COMPARE} AND NOT EXISTS (SELECT 1 FROM before WHERE before.key = row.key)
"""  # noqa: S608 - as above
UNSEEN = f"{_UNSEEN} AND row.key > ? ORDER BY row.key LIMIT ?"
UNSEEN_AT = f"{_UNSEEN} AND path IN (SELECT value FROM json_each(?)) ORDER BY row.key"  # noqa: S608 - our own words
COUNT_UNSEEN = f"SELECT count(*) FROM ({_UNSEEN})"  # noqa: S608 - our own words
KEEP_WANTED = """
    INSERT OR IGNORE INTO wanted SELECT row.key, fields, of_fact(row.key, fields)
    FROM row WHERE key IN (SELECT json_extract(value, '$[0]') FROM json_each(?))
"""
SET_PLANNED_FIELDS = """
    UPDATE row SET fields = json_extract(each.value, '$[1]'), checksum = NULL
    FROM json_each(?) AS each WHERE row.key = json_extract(each.value, '$[0]')
"""
_MUST_BE = """
    json_set(coalesce(pulled, '{{}}'), '$.seen', {state}, '$.by', '{by}',
        '$.version', coalesce(json_extract({state}, '$.version'), json_extract(pulled, '$.version'), ''))
"""
GUARD = f"""
    UPDATE row SET checksum = NULL, pulled = {_MUST_BE.format(state="json_extract(each.value, '$[1]')", by="diff")}
    FROM json_each(?) AS each WHERE row.key = json_extract(each.value, '$[0]')
"""  # noqa: S608 - our own words

# A run is resumed: what an earlier comparison has said of rows that were never sent is not true any more.

FORGET_UNCHANGED = """
    DELETE FROM result WHERE outcome = 'unchanged' AND http_status IS NULL AND duration_ms IS NULL
    AND key IN (SELECT key FROM row WHERE path IS NOT NULL AND carrier IS NULL) AND key NOT IN (SELECT key FROM given)
"""  # one that was read just before it was to be sent has a duration
FORGET_COMPARED = (
    f"""
    UPDATE row SET fields = wanted.fields, checksum = NULL FROM wanted
    WHERE wanted.key = row.key AND wanted.checksum = of_fact(wanted.key, wanted.fields) AND {_TO_COMPARE}
    """,  # noqa: S608 - our own words
    f"DELETE FROM wanted WHERE key IN (SELECT row.key FROM row WHERE {_TO_COMPARE})",  # noqa: S608 - as above
    f"DELETE FROM before WHERE key IN (SELECT row.key FROM row WHERE {_TO_COMPARE})",  # noqa: S608 - as above
)
MAY_BE_APPLIED = f"""
    SELECT key FROM row WHERE key IN (SELECT value FROM json_each(?)) AND {_MAY_BE_APPLIED}
"""  # noqa: S608 - as above

# A plan, and its run.

PLAN_LINES = """
    SELECT row.key, coalesce(record_id, ''), fields, result.outcome, coalesce(error, ''), before.state,
        json_array(cells, path, carrier, pulled)
    FROM row LEFT JOIN result ON result.key = coalesce(carrier, row.key) LEFT JOIN before ON before.key = row.key
    ORDER BY row.key
"""
PLAN_LINES_WITH = PLAN_LINES.replace("ORDER", "WHERE result.outcome IN (SELECT value FROM json_each(?)) ORDER")
ATTACH = "ATTACH ? AS plan"
DETACH = "DETACH plan"
TAKE_OVER_PLAN = (
    f"""
    INSERT INTO row (key, cells, record_id, path, fields, carrier, pulled)
    SELECT row.key, cells, record_id, path, row.fields, carrier,
        CASE WHEN state IS NULL THEN pulled
        WHEN wanted.key IS NULL THEN {_MUST_BE.format(state="state", by="plan")}
        ELSE json_set({_MUST_BE.format(state="state", by="plan")}, '$.held', json(
            (SELECT json_group_array(each.key) FROM json_each(wanted.fields) AS each)
        )) END
    FROM plan.row LEFT JOIN plan.before ON before.key = row.key
    LEFT JOIN plan.wanted ON wanted.key = row.key AND wanted.checksum = of_fact(wanted.key, wanted.fields)
    """,  # noqa: S608 - our own words
    """
    INSERT INTO result
        (key, final, outcome, http_status, attempts, error, request_id, location, finished_at, duration_ms)
    SELECT key, final, outcome, http_status, attempts, error, request_id, location, finished_at, duration_ms
    FROM plan.result
    """,
    "INSERT INTO before SELECT key, state, checksum FROM plan.before",
)
NOT_SEEN_SINCE = """
    UPDATE result SET error = ?
    WHERE outcome = 'unchanged' AND key IN (SELECT key FROM row WHERE path IS NOT NULL AND carrier IS NULL)
"""
