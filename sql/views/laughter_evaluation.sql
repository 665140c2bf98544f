-- Metrics of the adopted checkpoint of each laughter model, on validation and test episodes.
CREATE OR REPLACE VIEW laughter_evaluation AS
WITH adopted AS (
    SELECT asset, checkpoint
    FROM adoptions
    QUALIFY row_number() OVER (PARTITION BY asset ORDER BY adopted_at DESC) = 1
)
SELECT adopted.asset AS model, e.*
FROM (
    FROM laughter_predictor_evaluation
    UNION ALL
    FROM laughter_forecaster_evaluation
    UNION ALL
    FROM laughter_timer_evaluation
) AS e
JOIN adopted USING (checkpoint);
