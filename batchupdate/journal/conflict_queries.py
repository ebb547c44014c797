"""The SQL about conflicts: which of them would be the same if their rows were sent again."""

COUNT_LASTING = """
    SELECT coalesce(json_extract(leader.pulled, '$.by'), ''), count(*)
    FROM outcome JOIN row ON row.key = outcome.key JOIN row AS leader ON leader.key = coalesce(row.carrier, row.key)
    WHERE outcome.outcome = 'conflict' AND leader.pulled IS NOT NULL AND row.key NOT IN (SELECT key FROM given)
      AND (substr(outcome.error, 1, length(?1)) = ?1
           OR coalesce(json_extract(leader.pulled, '$.version'), '') <> ''
           OR json_extract(json_extract(leader.pulled, '$.seen'), '$.gone'))
    GROUP BY 1
"""  # a row goes out again with what it says of its record: old values, or a version
