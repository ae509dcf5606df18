-- What does each policy cost, and how often does it miss the SLO? One row per policy and grid point; *_half2 is
-- the square of half a 95 % interval over seeds (sim/figures.h), 0 with one seed.
SELECT label AS policy, runs, cost_per_1k_usd, violation_pct,
       half2(cost_per_1k_usd_var, runs, model_error) AS cost_half2,
       half2(violation_pct_var, runs, model_error) AS violation_half2,
       model_error,
       (SELECT group_concat(key, ', ') FROM (SELECT key FROM run, json_each(run.grid) GROUP BY key HAVING count(DISTINCT value) > 1))
           AS varied,
       (SELECT name FROM experiment) AS experiment
FROM (SELECT *, (SELECT max(model_error) FROM run AS r WHERE r.label = p.label AND r.grid = p.grid) AS model_error
      FROM policy_summary AS p)
WHERE cost_per_1k_usd IS NOT NULL
ORDER BY min(plan) OVER (PARTITION BY label), label, plan, grid
