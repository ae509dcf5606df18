-- What happened over time, under each policy? The lowest seed at the first grid point, all functions together,
-- in at most 200 steps: means over a step, but the greatest queue.
WITH first AS (
    SELECT id, label, seed, grid, warmup_s, min(plan) OVER (PARTITION BY label) AS place,
           row_number() OVER (PARTITION BY label ORDER BY seed, id) AS nth,
           (SELECT count(*) / 200 + 1 FROM timeline WHERE run_id = run.id AND fn IS NULL) AS step
    FROM run
    WHERE grid = (SELECT grid FROM run ORDER BY plan, grid LIMIT 1)
)
SELECT f.label AS policy, f.seed, f.warmup_s, min(t.t_s) AS t_s, sum(t.bin_s) AS step_s,
       sum(t.arrivals) / sum(t.bin_s) AS arrivals_rps, avg(t.capacity_rps) AS capacity_rps,
       avg(t.share_gpus) AS share_gpus, avg(t.gpus) AS gpus,
       avg(t.pods_ready) AS pods_ready, avg(t.pods_starting) AS pods_starting, max(t.queued) AS queued,
       (SELECT group_concat(key || ' ' || replace(value, '"', ''), ', ') FROM json_each(f.grid)) AS grid
FROM first AS f JOIN timeline AS t ON t.run_id = f.id AND t.fn IS NULL
WHERE f.nth = 1
GROUP BY f.id, t.bin / f.step
ORDER BY f.place, f.label, t_s
