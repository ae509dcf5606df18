-- What does the calibration say of a model's latency, by SM width, quota and batch? Alone on a GPU, under the token
-- runtime: max(G(batch, SM), f(quota)). resnet152 where the experiment has it, else its first model.
WITH chosen AS (
    SELECT device, model FROM latency ORDER BY model = 'resnet152' DESC, device, model LIMIT 1
)
SELECT printf('batch %d', batch) AS panel, batch, sm_pct, quota_pct, latency_ms, extrapolated, device, model
FROM latency JOIN chosen USING (device, model)
ORDER BY batch, quota_pct, sm_pct
