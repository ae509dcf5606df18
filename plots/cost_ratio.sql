-- What does each policy cost, and how many times what the baseline costs? One row per policy at the first grid
-- point; *_half2 is the square of half a 95 % interval, 0 with one seed; ratios are paired by seed, with the delta
-- method (sim/stats.h). The baseline is has, corrected, where there is one, else the first policy.
WITH here AS (
    SELECT * FROM run_summary WHERE grid = (SELECT grid FROM run ORDER BY plan, grid LIMIT 1)
), base AS (
    SELECT * FROM here
    WHERE label = (SELECT label FROM here ORDER BY policy = 'has' AND mode = 'corrected' DESC, plan LIMIT 1)
), paired AS (
    SELECT h.plan, h.label, h.policy, h.grid, h.model_error, base.label AS baseline, base.policy AS base_policy,
           h.cost_per_1k_usd AS cost, h.violation_pct AS miss,
           base.cost_per_1k_usd AS cost_x, base.violation_pct AS miss_x
    FROM here AS h JOIN base ON base.seed = h.seed
), centred AS (
    SELECT *, avg(cost) OVER same AS cost_mean, avg(miss) OVER same AS miss_mean,
           avg(cost) OVER same / nullif(avg(cost_x) OVER same, 0) AS cost_ratio,
           avg(miss) OVER same / nullif(avg(miss_x) OVER same, 0) AS miss_ratio
    FROM paired WINDOW same AS (PARTITION BY label)
), summed AS (
    SELECT min(plan) AS plan, label, policy, grid, baseline, base_policy, count(*) AS runs, max(model_error) AS model_error,
           cost_mean, miss_mean, cost_ratio, miss_ratio,
           sum((cost - cost_mean) * (cost - cost_mean)) AS cost_ss,
           sum((miss - miss_mean) * (miss - miss_mean)) AS miss_ss,
           sum((cost - cost_ratio * cost_x) * (cost - cost_ratio * cost_x)) / avg(cost_x) / avg(cost_x) AS cost_ratio_ss,
           sum((miss - miss_ratio * miss_x) * (miss - miss_ratio * miss_x)) / avg(miss_x) / avg(miss_x) AS miss_ratio_ss
    FROM centred GROUP BY label
)
SELECT label AS policy, runs, cost_mean AS cost, half2(cost_ss / (runs - 1), runs, model_error) AS cost_half2,
       cost_ratio, half2(cost_ratio_ss / (runs - 1), runs, model_error) AS cost_ratio_half2, miss_mean AS miss, half2(miss_ss / (runs - 1), runs, model_error) AS miss_half2,
       miss_ratio, half2(miss_ratio_ss / (runs - 1), runs, model_error) AS miss_ratio_half2,
       -- published: KServe / HAS-GPU and FaST-GShare / HAS-GPU [arXiv 2505.01968, abstract]
       CASE WHEN base_policy = 'has' THEN CASE policy WHEN 'kserve' THEN 10.8 WHEN 'fast-gshare' THEN 1.72 END END
           AS cost_paper,
       CASE WHEN base_policy = 'has' AND policy = 'fast-gshare' THEN 4.8 END AS miss_paper,
       model_error, baseline, (SELECT group_concat(key || ' ' || replace(value, '"', ''), ', ') FROM json_each(grid)) AS grid
FROM summed
WHERE cost_mean IS NOT NULL AND (SELECT count(*) FROM summed) > 1
ORDER BY plan
