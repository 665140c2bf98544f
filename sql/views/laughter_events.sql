-- One row per predicted laugh: where it begins and ends, whose it is, and how sure the predictor was.
CREATE OR REPLACE VIEW laughter_events AS
SELECT
    item,
    user_speaker,
    unnest(start_s) AS start_s,
    unnest(end_s) AS end_s,
    unnest(confidence) AS confidence
FROM laughter_predictions;
