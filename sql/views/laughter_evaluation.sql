-- Metrics of the newest checkpoint of each laughter model, on validation and test episodes.
CREATE OR REPLACE VIEW laughter_evaluation AS
SELECT c.asset AS model, e.*
FROM (
    FROM laughter_predictor_evaluation
    UNION ALL
    FROM laughter_forecaster_evaluation
    UNION ALL
    FROM laughter_timer_evaluation
) AS e
JOIN checkpoints AS c USING (checkpoint)
QUALIFY c.created_at = max(c.created_at) OVER (PARTITION BY c.asset);
