-- From every checkpoint to the items it was made from, their licences and their split, and what computed the
-- values that were read for them, under which licence. Sources of item * were computed from all items together.
SELECT
    c.asset,
    c.checkpoint,
    c.snapshot,
    t.split,
    t.item,
    t.licence AS item_licence,
    s.asset AS source,
    s.backend,
    s.revision,
    s.licence AS source_licence
FROM checkpoints AS c
JOIN training_items AS t USING (checkpoint)
LEFT JOIN training_sources AS s ON s.checkpoint = t.checkpoint AND s.item IN (t.item, '*')
ORDER BY c.created_at DESC, c.checkpoint, t.split, t.item, source;
