-- What could not be computed, most recent first, with the reason.
SELECT computed_at, asset, item, outcome, reason
FROM ledger
WHERE outcome IN ('failed', 'quarantined')
ORDER BY computed_at DESC;
