-- How much of the GPUs that they occupy do policies allocate, over time? The first grid point, all functions
-- together, in at most 120 steps: means over a step and the seeds; *_half2 is the square of half a 95 % interval
-- over the seeds, 0 with one seed. packed: SM x quota allocated / GPUs occupied; what it lacks to 1 is fragmented.
WITH here AS (
    SELECT id, label, seed, plan, warmup_s, model_error,
           (SELECT count(*) / 120 + 1 FROM timeline WHERE run_id = run.id AND fn IS NULL) AS step
    FROM run WHERE grid = (SELECT grid FROM run ORDER BY plan, grid LIMIT 1)
), stepped AS (
    SELECT h.label, h.plan, h.warmup_s, h.model_error, t.bin / h.step AS k, min(t.t_s) AS t_s, sum(t.bin_s) AS step_s,
           avg(t.gpus) AS gpus, avg(t.share_gpus) AS share, avg(t.share_gpus) / nullif(avg(t.gpus), 0) AS packed
    FROM here AS h JOIN timeline AS t ON t.run_id = h.id AND t.fn IS NULL
    GROUP BY h.id, t.bin / h.step
), centred AS (
    SELECT *, avg(gpus) OVER same AS gpus_mean, avg(share) OVER same AS share_mean, avg(packed) OVER same AS packed_mean
    FROM stepped WINDOW same AS (PARTITION BY label, k)
), summed AS (
    SELECT min(plan) AS plan, label, warmup_s, max(model_error) AS model_error, k, t_s, step_s, count(*) AS runs, count(packed) AS packed_runs,
           gpus_mean, share_mean, packed_mean,
           sum((gpus - gpus_mean) * (gpus - gpus_mean)) AS gpus_ss,
           sum((share - share_mean) * (share - share_mean)) AS share_ss,
           sum((packed - packed_mean) * (packed - packed_mean)) AS packed_ss
    FROM centred GROUP BY label, k
)
SELECT s.label AS policy, s.warmup_s, s.t_s, s.step_s, s.runs, s.gpus_mean AS gpus, s.share_mean AS share,
       s.packed_mean AS packed,
       half2(s.gpus_ss / (s.runs - 1), s.runs, s.model_error) AS gpus_half2,
       half2(s.share_ss / (s.runs - 1), s.runs, s.model_error) AS share_half2,
       half2(s.packed_ss / (s.packed_runs - 1), s.packed_runs, s.model_error) AS packed_half2,
       s.model_error, (SELECT group_concat(key || ' ' || replace(value, '"', ''), ', ') FROM json_each((SELECT grid FROM run ORDER BY plan, grid LIMIT 1))) AS grid
FROM summed AS s
ORDER BY min(s.plan) OVER (PARTITION BY s.label), s.label, s.t_s
