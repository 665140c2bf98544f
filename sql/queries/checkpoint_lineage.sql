-- From every checkpoint to the items it was made from, their split, and the licences behind their values.
SELECT
    c.asset,
    c.checkpoint,
    c.snapshot,
    t.split,
    t.item,
    l.asset AS upstream,
    l.backend,
    l.revision,
    l.licence
FROM checkpoints AS c
JOIN training_items AS t USING (checkpoint)
LEFT JOIN ledger AS l ON l.item = t.item AND json_extract_string(t.upstream_json, '$.' || l.asset) = l.fingerprint
ORDER BY c.created_at DESC, c.checkpoint, t.split, t.item, upstream;
