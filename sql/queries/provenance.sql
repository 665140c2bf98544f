-- Which backend, weights, parameters and code made each asset's values, and of how many items.
SELECT asset, backend, revision, licence, code_version, code_hash, parameters_json, count(*) AS items
FROM ledger
WHERE outcome IN ('ok', 'not_applicable')
GROUP BY ALL
ORDER BY asset;
