-- What does each policy cost, and how many times what the baseline costs? One row per policy at the first grid
-- point; *_half2 is the square of half a 95 % interval, 0 with one seed; ratios are paired by seed, but where a test
-- client decides when requests come (sim/stats.h). The baseline is has, corrected, where there is one, else the first
-- policy.
WITH here AS (
    SELECT *, (SELECT group_concat(key || ' ' || replace(value, '"', ''), ', ') FROM json_each(grid)) AS place,
           EXISTS (SELECT 1 FROM run AS r, json_each(r.config, '$.functions') AS f
                   WHERE r.id = run_id AND json_extract(f.value, '$.trace.format') = 'client') AS has_client
    FROM run_summary WHERE grid = (SELECT grid FROM run ORDER BY plan, grid LIMIT 1)
), base AS (
    SELECT * FROM here
    WHERE label = (SELECT label FROM here ORDER BY policy = 'has' AND mode = 'corrected' DESC, plan LIMIT 1)
), paired AS (
    SELECT h.plan, h.label, h.policy, h.place, h.model_error, base.label AS baseline, base.policy AS base_policy,
           (h.label = base.label OR NOT (h.has_client OR base.has_client)) AS is_paired, h.cost_per_1k_usd AS cost, h.violation_pct AS miss,
           base.cost_per_1k_usd AS cost_x, base.violation_pct AS miss_x
    FROM here AS h JOIN base ON base.seed = h.seed
), centred AS (
    SELECT *, avg(cost) OVER same AS cost_mean, avg(miss) OVER same AS miss_mean
    FROM paired WINDOW same AS (PARTITION BY label)
), summed AS (
    SELECT min(plan) AS plan, label, policy, place, baseline, base_policy, count(*) AS runs, max(model_error) AS model_error,
           cost_mean, miss_mean, cost_mean / nullif(avg(cost_x), 0) AS cost_ratio, miss_mean / nullif(avg(miss_x), 0) AS miss_ratio,
           sum((cost - cost_mean) * (cost - cost_mean)) / (count(*) - 1) AS cost_var,
           sum((miss - miss_mean) * (miss - miss_mean)) / (count(*) - 1) AS miss_var,
           ratio_half2(cost, cost_x, is_paired, model_error) AS cost_ratio_half2,
           ratio_half2(miss, miss_x, is_paired, model_error) AS miss_ratio_half2
    FROM centred GROUP BY label
)
SELECT label AS policy, runs, cost_mean AS cost, half2(cost_var, runs, model_error) AS cost_half2, cost_ratio, cost_ratio_half2,
       miss_mean AS miss, half2(miss_var, runs, model_error) AS miss_half2, miss_ratio, miss_ratio_half2,
       -- published: KServe / HAS-GPU and FaST-GShare / HAS-GPU [arXiv 2505.01968, abstract]
       CASE WHEN base_policy = 'has' THEN CASE policy WHEN 'kserve' THEN 10.8 WHEN 'fast-gshare' THEN 1.72 END END
           AS cost_paper,
       CASE WHEN base_policy = 'has' AND policy = 'fast-gshare' THEN 4.8 END AS miss_paper,
       model_error, baseline, place AS grid
FROM summed
WHERE cost_mean IS NOT NULL AND (SELECT count(*) FROM summed) > 1
ORDER BY plan
