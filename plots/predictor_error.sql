-- What does it cost to be wrong about latency, and how fast is it mended? Needs runs that differ in the config's
-- model_error: how far, in the calibration's own uncertainty, the GPUs may be from what policies are told. Part 0: means
-- over the seeds, each of which draws its GPUs; half2 is the square of half a 95 % interval, 0 with one seed. Part 1:
-- the first 36 bins of the runs with the largest model_error, all seeds together.
WITH here AS (
    SELECT r.id, r.plan, r.label, r.seed, r.model_error, s.cost_per_1k_usd AS cost, s.violation_pct AS miss
    FROM (SELECT *, json_remove(grid, '$.model_error') AS rest FROM run) AS r
    JOIN run_summary AS s ON s.run_id = r.id
    WHERE r.rest = (SELECT json_remove(grid, '$.model_error') FROM run ORDER BY plan LIMIT 1)
      AND (SELECT count(DISTINCT model_error) FROM run) > 1
), series AS (
    SELECT label, row_number() OVER (ORDER BY min(plan)) AS nth FROM here GROUP BY label
), centred AS (
    SELECT *, avg(cost) OVER same AS cost_mean, avg(miss) OVER same AS miss_mean
    FROM here WHERE cost IS NOT NULL WINDOW same AS (PARTITION BY label, model_error)
), summed AS (
    SELECT label, model_error, cost_mean, miss_mean, count(*) AS runs,
           sum((cost - cost_mean) * (cost - cost_mean)) / nullif(count(*) - 1, 0) AS cost_var,
           sum((miss - miss_mean) * (miss - miss_mean)) / nullif(count(*) - 1, 0) AS miss_var
    FROM centred GROUP BY label, model_error
), drawn AS (
    SELECT 0 AS part, s.label AS policy, n.nth AS series, s.model_error AS x, s.cost_mean AS cost,
           half2(s.cost_var, s.runs, s.model_error) AS cost_half2, s.miss_mean AS miss,
           half2(s.miss_var, s.runs, s.model_error) AS miss_half2, s.runs, 0.0 AS bin_s
    FROM summed AS s
    JOIN series AS n ON n.label = s.label
    UNION ALL
    SELECT 1, h.label, n.nth, t.t_s, NULL, NULL,
           min(100, 100.0 * sum(t.violations) / nullif(sum(t.completed), 0)), NULL, count(*), max(t.bin_s)
    FROM here AS h
    JOIN series AS n ON n.label = h.label
    JOIN timeline AS t ON t.run_id = h.id AND t.fn IS NULL
    WHERE t.bin < 36 AND h.model_error = (SELECT max(model_error) FROM here)
    GROUP BY h.label, t.bin
)
SELECT printf('%d %s', part, policy) AS block, * FROM drawn ORDER BY part, series, x
