-- How long do the slow ones take? Quantiles of latency per policy at the first grid point: panel 0 all functions
-- together, then the functions with most requests, of those that served any; half2 is the square of half a 95 %
-- interval over the seeds, 0 with one seed. place counts the quantiles.
WITH here AS (
    SELECT * FROM run WHERE grid = (SELECT grid FROM run ORDER BY plan, grid LIMIT 1)
), series AS (
    SELECT label, row_number() OVER (ORDER BY min(plan)) AS nth FROM here GROUP BY label
), shown AS (
    SELECT fn, name, row_number() OVER (ORDER BY window_arrivals DESC, fn) AS panel
    FROM function_result WHERE run_id = (SELECT id FROM here ORDER BY plan LIMIT 1)
      AND fn IN (SELECT f.fn FROM here AS h JOIN function_result AS f ON f.run_id = h.id WHERE f.p50_ms IS NOT NULL)
    ORDER BY panel LIMIT 5
), each_run AS (
    SELECT label, model_error, 0 AS panel, 'all functions' AS title, NULL AS slo_ms, p50_ms, p90_ms, p95_ms, p99_ms FROM here
    UNION ALL
    SELECT h.label, h.model_error, s.panel, s.name, f.slo_ms, f.p50_ms, f.p90_ms, f.p95_ms, f.p99_ms
    FROM here AS h JOIN function_result AS f ON f.run_id = h.id JOIN shown AS s ON s.fn = f.fn
    WHERE (SELECT count(*) FROM shown) > 1
), quantile AS (
    SELECT label, model_error, panel, title, slo_ms, 1 AS place, p50_ms AS ms FROM each_run
    UNION ALL SELECT label, model_error, panel, title, slo_ms, 2, p90_ms FROM each_run
    UNION ALL SELECT label, model_error, panel, title, slo_ms, 3, p95_ms FROM each_run
    UNION ALL SELECT label, model_error, panel, title, slo_ms, 4, p99_ms FROM each_run
), centred AS (
    SELECT *, avg(ms) OVER (PARTITION BY panel, label, place) AS mean FROM quantile WHERE ms IS NOT NULL
), summed AS (
    SELECT panel, title, label, avg(slo_ms) AS slo_ms, place, mean, count(*) AS runs, max(model_error) AS model_error,
           sum((ms - mean) * (ms - mean)) / nullif(count(*) - 1, 0) AS var
    FROM centred GROUP BY panel, label, place
)
SELECT printf('%d %s', s.panel, s.label) AS block, s.panel, s.title, s.label AS policy, n.nth AS series, s.place,
       s.mean AS ms, half2(s.var, s.runs, s.model_error) AS half2, s.slo_ms, s.runs, s.model_error,
       (SELECT group_concat(key || ' ' || replace(value, '"', ''), ', ') FROM json_each((SELECT grid FROM here LIMIT 1))) AS grid
FROM summed AS s
JOIN series AS n ON n.label = s.label
ORDER BY s.panel, n.nth, s.place
