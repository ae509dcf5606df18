-- What is each part of HAS-GPU worth? Labels of policy has that switch a part off (vertical, horizontal,
-- alignment, prediction), beside the whole one of the same mode, at the first grid point; *_half2: as in
-- cost_violation.
WITH here AS (
    SELECT s.*, r.plan AS nth, (
        SELECT group_concat(p.key, ', ')
        FROM json_each(r.config, '$.policies') AS e, json_each(e.value, '$.params') AS p
        WHERE json_extract(e.value, '$.label') = r.label AND p.value = 'off'
          AND p.key IN ('vertical', 'horizontal', 'alignment', 'prediction')
    ) AS off
    FROM run_summary AS s JOIN run AS r ON r.id = s.run_id
    WHERE s.policy = 'has' AND s.grid = (SELECT grid FROM run ORDER BY plan, grid LIMIT 1)
), whole AS (
    SELECT * FROM here
    WHERE label = (SELECT label FROM here WHERE off IS NULL
                     AND mode IN (SELECT mode FROM here WHERE off IS NOT NULL) ORDER BY nth LIMIT 1)
), centred AS (
    SELECT h.nth, h.label, h.cost_per_1k_usd AS cost, h.violation_pct AS miss, h.gpus_mean AS gpus,
           avg(h.cost_per_1k_usd) OVER same AS cost_mean, avg(h.violation_pct) OVER same AS miss_mean,
           avg(h.gpus_mean) OVER same AS gpus_mean, h.model_error
    FROM here AS h
    WHERE (h.off IS NOT NULL OR h.label = (SELECT label FROM whole)) AND h.mode = (SELECT mode FROM whole)
    WINDOW same AS (PARTITION BY h.label)
), summed AS (
    SELECT min(nth) AS place, label, count(*) AS runs, cost_mean AS cost, miss_mean AS miss, gpus_mean AS gpus,
           max(model_error) AS model_error,
           sum((cost - cost_mean) * (cost - cost_mean)) AS cost_ss,
           sum((miss - miss_mean) * (miss - miss_mean)) AS miss_ss,
           sum((gpus - gpus_mean) * (gpus - gpus_mean)) AS gpus_ss
    FROM centred GROUP BY label
)
SELECT s.label AS policy, s.runs, s.cost, s.miss, s.gpus,
       half2(s.cost_ss / (s.runs - 1), s.runs, s.model_error) AS cost_half2,
       half2(s.miss_ss / (s.runs - 1), s.runs, s.model_error) AS miss_half2,
       half2(s.gpus_ss / (s.runs - 1), s.runs, s.model_error) AS gpus_half2,
       (SELECT label FROM whole LIMIT 1) AS whole, s.model_error,
       (SELECT group_concat(key || ' ' || replace(value, '"', ''), ', ') FROM json_each((SELECT grid FROM here LIMIT 1))) AS grid
FROM summed AS s
WHERE s.cost IS NOT NULL
ORDER BY s.label <> whole, s.place
