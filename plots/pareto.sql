-- Which cost and violations can each policy reach, by its own settings? Points are labels and grid points that
-- differ in policies' settings only (grid keys "policies..."); the front is the points than which none is both
-- cheaper and better. half2: as in cost_violation. Needs more points than policies.
WITH point AS (
    SELECT *, policy || CASE WHEN count(*) OVER (PARTITION BY policy) >
                                  count(*) OVER (PARTITION BY policy, mode) THEN ':' || mode ELSE '' END AS system,
           (SELECT group_concat(key || '=' || value) FROM json_each(grid) WHERE key NOT LIKE 'policies.%') AS world,
           (SELECT max(model_error) FROM run AS r WHERE r.label = policy_summary.label AND r.grid = policy_summary.grid) AS model_error
    FROM policy_summary
    WHERE cost_per_1k_usd IS NOT NULL
), here AS (
    SELECT * FROM point WHERE world IS (SELECT world FROM point ORDER BY plan LIMIT 1)
), enough AS (
    SELECT * FROM here WHERE (SELECT count(*) FROM here) > (SELECT count(DISTINCT system) FROM here)
), drawn AS (
    SELECT system, min(plan) OVER (PARTITION BY system) AS place, label, grid, cost_per_1k_usd AS cost,
           violation_pct AS miss, half2(cost_per_1k_usd_var, runs, model_error) AS cost_half2,
           half2(violation_pct_var, runs, model_error) AS miss_half2, runs, model_error,
           (SELECT group_concat(key || ' ' || replace(value, '"', ''), ', ') FROM json_each(grid) WHERE key NOT LIKE 'policies.%') AS here_grid,
           NOT EXISTS (SELECT 1 FROM enough AS o
                       WHERE o.cost_per_1k_usd <= e.cost_per_1k_usd AND o.violation_pct <= e.violation_pct
                         AND (o.cost_per_1k_usd < e.cost_per_1k_usd OR o.violation_pct < e.violation_pct)) AS best
    FROM enough AS e
)
SELECT * FROM drawn
UNION ALL
SELECT 'not dominated', 1e9, label, grid, cost, miss, 0, 0, runs, model_error, here_grid, best FROM drawn WHERE best
ORDER BY place, cost, miss
