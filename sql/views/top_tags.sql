-- The likely labels of each track: a probability of 0.1 or more, at most ten of each family, best first.
CREATE OR REPLACE VIEW top_tags AS
SELECT
    item,
    family,
    row_number() OVER (PARTITION BY item, family ORDER BY probability DESC, label) AS rank,
    label,
    probability
FROM tags
WHERE probability >= 0.1
QUALIFY rank <= 10;
