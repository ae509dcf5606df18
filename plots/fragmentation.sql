-- How much of the GPUs that they occupy do policies allocate, over time? The first grid point, all functions
-- together, in at most 120 steps: means over a step and the seeds; *_half2 is the square of half a 95 % interval
-- over the seeds, 0 with one seed. packed: SM x quota allocated / GPUs occupied; what it lacks to 1 is fragmented.
WITH here AS (
    SELECT id, label, seed, plan, warmup_s,
           (SELECT count(*) / 120 + 1 FROM timeline WHERE run_id = run.id AND fn IS NULL) AS step
    FROM run WHERE grid = (SELECT grid FROM run ORDER BY plan, grid LIMIT 1)
), stepped AS (
    SELECT h.label, h.plan, h.warmup_s, t.bin / h.step AS k, min(t.t_s) AS t_s, sum(t.bin_s) AS step_s,
           avg(t.gpus) AS gpus, avg(t.share_gpus) AS share, avg(t.share_gpus) / nullif(avg(t.gpus), 0) AS packed
    FROM here AS h JOIN timeline AS t ON t.run_id = h.id AND t.fn IS NULL
    GROUP BY h.id, t.bin / h.step
), centred AS (
    SELECT *, avg(gpus) OVER same AS gpus_mean, avg(share) OVER same AS share_mean, avg(packed) OVER same AS packed_mean
    FROM stepped WINDOW same AS (PARTITION BY label, k)
), summed AS (
    SELECT min(plan) AS plan, label, warmup_s, k, t_s, step_s, count(*) AS runs, count(packed) AS packed_runs,
           gpus_mean, share_mean, packed_mean,
           sum((gpus - gpus_mean) * (gpus - gpus_mean)) AS gpus_ss,
           sum((share - share_mean) * (share - share_mean)) AS share_ss,
           sum((packed - packed_mean) * (packed - packed_mean)) AS packed_ss
    FROM centred GROUP BY label, k
)
SELECT s.label AS policy, s.warmup_s, s.t_s, s.step_s, s.runs, s.gpus_mean AS gpus, s.share_mean AS share,
       s.packed_mean AS packed,
       coalesce(t.t * t.t * s.gpus_ss / (s.runs - 1) / s.runs, 0) AS gpus_half2,
       coalesce(t.t * t.t * s.share_ss / (s.runs - 1) / s.runs, 0) AS share_half2,
       coalesce(p.t * p.t * s.packed_ss / (s.packed_runs - 1) / s.packed_runs, 0) AS packed_half2
FROM summed AS s
LEFT JOIN student_t95 AS t ON t.df = min(s.runs - 1, 1000)
LEFT JOIN student_t95 AS p ON p.df = min(s.packed_runs - 1, 1000)
ORDER BY min(s.plan) OVER (PARTITION BY s.label), s.label, s.t_s
