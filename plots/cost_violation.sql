-- What does each policy cost, and how often does it miss the SLO? One row per policy and grid point; *_half2 is
-- the square of half a 95 % interval of the mean over seeds, 0 with one seed.
SELECT label AS policy, runs, cost_per_1k_usd, violation_pct,
       coalesce(t95 * t95 * cost_per_1k_usd_var / runs, 0) AS cost_half2,
       coalesce(t95 * t95 * violation_pct_var / runs, 0) AS violation_half2,
       (SELECT name FROM experiment) AS experiment
FROM policy_summary
WHERE cost_per_1k_usd IS NOT NULL
ORDER BY min(plan) OVER (PARTITION BY label), label, plan, grid
