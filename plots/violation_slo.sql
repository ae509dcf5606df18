-- How do violations depend on the SLO multiplier, when it is really set, so that the policies know it? (The view
-- slo_curve counts violations against multipliers that they do not know.) Needs runs that differ in the config's
-- slo_multiplier. Blocks: panel 0 all functions together, then the functions with most requests. half2 is the
-- square of half a 95 % interval over the seeds, 0 with one seed.
WITH swept AS (
    SELECT id, plan, label, policy, mode, seed, model_error, json_extract(config, '$.slo_multiplier') AS multiplier,
           json_remove(grid, '$.slo_multiplier') AS rest
    FROM run
), here AS (
    SELECT * FROM swept
    WHERE rest = (SELECT rest FROM swept ORDER BY plan LIMIT 1)
      AND (SELECT count(DISTINCT multiplier) FROM swept) > 1
), series AS (
    SELECT label, row_number() OVER (ORDER BY min(plan)) AS nth FROM here GROUP BY label
), shown AS (
    SELECT fn, name, row_number() OVER (ORDER BY window_arrivals DESC, fn) AS panel
    FROM function_result WHERE run_id = (SELECT id FROM here ORDER BY plan LIMIT 1)
    ORDER BY panel LIMIT 8
), each_run AS (
    SELECT h.label, h.multiplier, h.model_error, h.seed, 0 AS panel, 'all functions' AS title,
           100.0 * sum(f.violations) / nullif(sum(f.window_arrivals), 0) AS miss
    FROM here AS h JOIN function_result AS f ON f.run_id = h.id GROUP BY h.id
    UNION ALL
    SELECT h.label, h.multiplier, h.model_error, h.seed, s.panel, s.name, 100.0 * f.violations / nullif(f.window_arrivals, 0)
    FROM here AS h JOIN function_result AS f ON f.run_id = h.id JOIN shown AS s ON s.fn = f.fn
    WHERE (SELECT count(*) FROM shown) > 1
), centred AS (
    SELECT *, avg(miss) OVER (PARTITION BY panel, label, multiplier) AS mean FROM each_run WHERE miss IS NOT NULL
), summed AS (
    SELECT panel, title, label, multiplier, mean, count(*) AS runs, max(model_error) AS model_error,
           sum((miss - mean) * (miss - mean)) / nullif(count(*) - 1, 0) AS var
    FROM centred GROUP BY panel, label, multiplier
), drawn AS (
    SELECT s.panel, s.title, s.label AS policy, n.nth AS series, s.multiplier, s.mean AS violation_pct,
           half2(s.var, s.runs, s.model_error) AS half2, s.runs, s.model_error
    FROM summed AS s
    JOIN series AS n ON n.label = s.label
    UNION ALL -- published: FaST-GShare violates 4.8 times as often as HAS-GPU [arXiv 2505.01968, abstract]
    SELECT panel, title, 'paper: 4.8 × ' || label, 0, multiplier, 4.8 * mean, 0, runs, model_error
    FROM summed
    WHERE panel = 0
      AND label = (SELECT label FROM here WHERE policy = 'has' AND mode = 'corrected' ORDER BY plan LIMIT 1)
      AND EXISTS (SELECT 1 FROM here WHERE policy = 'fast-gshare')
)
SELECT printf('%d %s', panel, policy) AS block, * FROM drawn ORDER BY panel, series, multiplier
