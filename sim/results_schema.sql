-- The results of one experiment. Every run is written in one transaction: it is here whole or not at all.
-- Deleting a row of run deletes all that belongs to it (PRAGMA foreign_keys = ON).
--
-- PRAGMA application_id is 0x4853494D ("HSIM"), PRAGMA user_version the version of this schema.
-- The "window" is the requests that arrive in [warmup_s, duration_s); cost is integrated over the same time.
-- fn counts a run's functions from 0, in the order of the config.

CREATE TABLE experiment (
    id       INTEGER PRIMARY KEY CHECK (id = 1), -- one experiment per file
    name     TEXT NOT NULL,
    question TEXT NOT NULL,                      -- what it is meant to answer
    version  TEXT NOT NULL                       -- the program that created the file
) STRICT;

CREATE TABLE run (
    id               INTEGER PRIMARY KEY,
    plan             INTEGER NOT NULL, -- position in the experiment's plan: the order of tables
    label            TEXT NOT NULL,    -- the policy, unique in the experiment: "has", "has:artifact"
    policy           TEXT NOT NULL,
    mode             TEXT NOT NULL,    -- "corrected" or "artifact"
    predictor        TEXT NOT NULL,    -- what the policy knew of latency: "table", "trained best, online"
    model_error      REAL NOT NULL,    -- 0: the truth is the calibration; else drawn by seed from this many times its
                                       -- uncertainty
    billing          TEXT NOT NULL,    -- "share", "whole-gpu" or "slice"
    engine           TEXT NOT NULL,    -- "islands" or "global": equal results
    version          TEXT NOT NULL,    -- the program that made this run
    commit_id        TEXT,             -- its git commit; NULL when built without git
    seed             INTEGER NOT NULL, -- seeds above 2^63 - 1 show as negative numbers of the same 64 bits
    grid             TEXT NOT NULL,    -- the grid point as JSON, "{}" without a grid
    config           TEXT NOT NULL,    -- JSON, grid point and --set applied
    config_hash      TEXT NOT NULL,
    trace_hash       TEXT NOT NULL,
    calibration_hash TEXT NOT NULL,
    policy_hash      TEXT NOT NULL,
    result_hash      TEXT NOT NULL,    -- of every count, histogram and action: equal results, equal hashes
    wall_s           REAL NOT NULL,
    events           INTEGER NOT NULL,
    visits           INTEGER NOT NULL, -- times that the policy looked at a function
    acts             INTEGER NOT NULL, -- times that it was asked to act
    warmup_s         REAL NOT NULL,
    duration_s       REAL NOT NULL,
    gpus             INTEGER NOT NULL, -- GPUs of the cluster
    gpus_mean        REAL NOT NULL,    -- GPUs that hold a pod, mean over the window
    cost_usd         REAL NOT NULL,    -- window
    p50_ms           REAL,             -- latency of the window's completed requests, all functions; NULL: none
    p90_ms           REAL,
    p95_ms           REAL,
    p99_ms           REAL,
    actions_seen     INTEGER NOT NULL, -- planned by the policy; table action may hold fewer
    actions_refused  INTEGER NOT NULL, -- of those: illegal, or no capacity
    UNIQUE (config_hash, label, grid, seed)
) STRICT;

CREATE TABLE function_result (
    run_id          INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    fn              INTEGER NOT NULL,
    name            TEXT NOT NULL,
    model           TEXT NOT NULL,
    slo_ms          REAL NOT NULL,
    -- of the whole run: arrivals = completed + dropped + lost + in_flight
    arrivals        INTEGER NOT NULL,
    completed       INTEGER NOT NULL,
    dropped         INTEGER NOT NULL, -- refused by a full queue
    lost            INTEGER NOT NULL, -- with a killed or failed pod
    in_flight       INTEGER NOT NULL, -- unfinished when the drain ended
    -- of the window
    window_arrivals INTEGER NOT NULL,
    violations      INTEGER NOT NULL, -- later than the SLO, dropped, lost or unfinished
    measured        INTEGER NOT NULL, -- completed: what the latencies are of
    mean_ms         REAL,             -- latency, arrival to response
    p50_ms          REAL,
    p90_ms          REAL,
    p95_ms          REAL,
    p99_ms          REAL,
    cold_starts     INTEGER NOT NULL, -- pods started
    batches         INTEGER NOT NULL,
    batched         INTEGER NOT NULL, -- requests in them
    share_gpu_s     REAL NOT NULL,    -- integral of SM share x quota share over the pods' lives
    gpu_s           REAL NOT NULL,    -- GPUs held, each split evenly among its pods
    cost_usd        REAL NOT NULL,
    PRIMARY KEY (run_id, fn)
) STRICT, WITHOUT ROWID;

-- Violations if the SLO were multiplier x base latency (config "slo_report"); policies never saw it.
CREATE TABLE report (
    run_id     INTEGER NOT NULL,
    fn         INTEGER NOT NULL,
    multiplier REAL NOT NULL,
    slo_ms     REAL NOT NULL,
    violations INTEGER NOT NULL, -- of function_result.window_arrivals
    PRIMARY KEY (run_id, fn, multiplier),
    FOREIGN KEY (run_id, fn) REFERENCES function_result (run_id, fn) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Latencies of the window's completed requests in log buckets at most 1.6 % wide. fn NULL: all functions
-- together. By function only for small runs (200 functions) and for functions that have a timeline.
CREATE TABLE histogram (
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    fn     INTEGER,
    bucket INTEGER NOT NULL,
    low_ns INTEGER NOT NULL, -- lower bound of the bucket
    count  INTEGER NOT NULL,
    FOREIGN KEY (run_id, fn) REFERENCES function_result (run_id, fn) ON DELETE CASCADE
) STRICT;
CREATE INDEX histogram_by_run ON histogram (run_id, fn, bucket);

-- One row per bin [t_s, t_s + bin_s). fn NULL: the total of all functions.
CREATE TABLE timeline (
    run_id        INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    fn            INTEGER,
    bin           INTEGER NOT NULL,
    t_s           REAL NOT NULL,
    bin_s         REAL NOT NULL,
    arrivals      INTEGER NOT NULL, -- in the bin
    completed     INTEGER NOT NULL,
    violations    INTEGER NOT NULL, -- counted in the bin in which they end
    queued        INTEGER NOT NULL, -- at its end: requests in the system and not on a GPU
    pods_ready    INTEGER NOT NULL, -- at its end
    pods_starting INTEGER NOT NULL,
    capacity_rps  REAL NOT NULL,    -- at its end: of the ready pods, with full batches
    share_gpus    REAL NOT NULL,    -- mean of the sum of SM share x quota share, in GPUs
    gpus          REAL,             -- mean number of GPUs that hold a pod; totals only
    FOREIGN KEY (run_id, fn) REFERENCES function_result (run_id, fn) ON DELETE CASCADE
) STRICT;
CREATE INDEX timeline_by_run ON timeline (run_id, fn, bin);

-- What the policy asked for, in order, each with its reason; the first ones only in long runs (config
-- "actions_max"; run.actions_seen has the true number). NULL: the verb has no such property.
CREATE TABLE action (
    run_id    INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    n         INTEGER NOT NULL, -- order
    at_ns     INTEGER NOT NULL, -- simulated time
    verb      TEXT NOT NULL,    -- start, stop, kill, resize, route
    fn        INTEGER,          -- NULL: refused, as there is no such function
    pod       INTEGER,          -- the how-manieth pod of its function
    gpu       INTEGER,
    "row"     INTEGER,          -- NULL: a new one
    sm_pct    INTEGER,
    quota_pct INTEGER,
    batch_max INTEGER,
    reason    TEXT,
    refused   INTEGER NOT NULL, -- 1: refused by the engine, nothing changed
    why       TEXT,             -- why it was refused
    PRIMARY KEY (run_id, n),
    FOREIGN KEY (run_id, fn) REFERENCES function_result (run_id, fn) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Every request; only when asked for (config "record_requests").
CREATE TABLE request (
    run_id     INTEGER NOT NULL,
    n          INTEGER NOT NULL, -- by function, then arrival
    fn         INTEGER NOT NULL,
    pod        INTEGER,          -- NULL: none took it
    arrival_ns INTEGER NOT NULL,
    end_ns     INTEGER,          -- NULL: unfinished
    fate       TEXT NOT NULL,    -- completed, dropped, lost, unfinished
    PRIMARY KEY (run_id, n),
    FOREIGN KEY (run_id, fn) REFERENCES function_result (run_id, fn) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- What to know before believing a run (README, "Warnings"); whole-experiment ones are in the view warning_log.
CREATE TABLE warning (
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    n      INTEGER NOT NULL,
    name   TEXT NOT NULL, -- saturation, extrapolation, queue-growth, refused-actions, lost-requests, trace-ends, no-arrivals, ...
    fn     INTEGER,       -- NULL: the whole run
    value  REAL NOT NULL, -- the greater, the worse; the name says of what
    text   TEXT NOT NULL,
    PRIMARY KEY (run_id, n),
    FOREIGN KEY (run_id, fn) REFERENCES function_result (run_id, fn) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- What the calibration says of the models in use, alone on a GPU under the token runtime: max(G, f). Under the
-- metered runtime gpu_ms counts, and the quota limits how fast it is delivered.
CREATE TABLE latency (
    device       TEXT NOT NULL,
    model        TEXT NOT NULL,
    batch        INTEGER NOT NULL,
    sm_pct       INTEGER NOT NULL,
    quota_pct    INTEGER NOT NULL,
    gpu_ms       REAL NOT NULL,    -- G(batch, SM): GPU-bound, at full quota
    latency_ms   REAL NOT NULL,
    extrapolated INTEGER NOT NULL, -- 1: outside what was measured
    PRIMARY KEY (device, model, batch, sm_pct, quota_pct)
) STRICT, WITHOUT ROWID;

-- Student's t: half a 95 % confidence interval is t * sqrt(variance / n) with df = n - 1 (1..1000).
CREATE TABLE student_t95 (df INTEGER PRIMARY KEY, t REAL NOT NULL) STRICT;

-- What did each run cost, and how often did it miss its SLO? NULL: nothing to divide by.
CREATE VIEW run_summary AS
SELECT r.id AS run_id, r.plan, r.label, r.policy, r.mode, r.billing, r.grid, r.seed, r.model_error,
       f.requests,
       1000.0 * r.cost_usd / f.requests AS cost_per_1k_usd,
       100.0 * f.violations / f.requests AS violation_pct,
       f.worst_violation_pct, 100.0 * f.failed / f.arrivals AS unserved_pct,
       r.p50_ms, r.p95_ms, r.p99_ms,
       r.gpus_mean, f.gpu_share_s, f.gpu_s, f.cold_starts, f.mean_batch,
       r.cost_usd, f.violations, f.failed
FROM run AS r
JOIN (SELECT run_id,
             sum(window_arrivals) AS requests, sum(violations) AS violations,
             sum(dropped + lost + in_flight) AS failed, sum(arrivals) AS arrivals,
             max(100.0 * violations / window_arrivals) AS worst_violation_pct,
             sum(share_gpu_s) AS gpu_share_s, sum(gpu_s) AS gpu_s, sum(cold_starts) AS cold_starts,
             1.0 * sum(batched) / sum(batches) AS mean_batch
      FROM function_result GROUP BY run_id) AS f ON f.run_id = r.id;

-- The same by policy and grid point: means over the seeds, the variances among them, and the t quantile of
-- their 95 % intervals.
CREATE VIEW policy_summary AS
WITH centred AS (
    SELECT *, avg(cost_per_1k_usd) OVER same AS cost, avg(violation_pct) OVER same AS violation
    FROM run_summary
    WINDOW same AS (PARTITION BY label, grid)
), summed AS (
    SELECT min(plan) AS plan, label, policy, mode, billing, grid, count(*) AS runs,
           avg(cost_per_1k_usd) AS cost_per_1k_usd, avg(violation_pct) AS violation_pct,
           sum((cost_per_1k_usd - cost) * (cost_per_1k_usd - cost))
               / nullif(count(cost_per_1k_usd) - 1, 0) AS cost_per_1k_usd_var,
           sum((violation_pct - violation) * (violation_pct - violation))
               / nullif(count(violation_pct) - 1, 0) AS violation_pct_var,
           avg(p50_ms) AS p50_ms, avg(p95_ms) AS p95_ms, avg(p99_ms) AS p99_ms,
           avg(gpus_mean) AS gpus_mean, avg(gpu_share_s) AS gpu_share_s, avg(cold_starts) AS cold_starts
    FROM centred GROUP BY label, grid
)
SELECT s.*, t.t AS t95
FROM summed AS s LEFT JOIN student_t95 AS t ON t.df = min(s.runs - 1, 1000);

-- Which function suffers, and what does it cost?
CREATE VIEW function_summary AS
SELECT r.label, r.grid, r.seed, f.name, f.model, f.slo_ms, f.window_arrivals AS requests,
       100.0 * f.violations / f.window_arrivals AS violation_pct,
       1000.0 * f.cost_usd / f.window_arrivals AS cost_per_1k_usd,
       f.mean_ms, f.p50_ms, f.p95_ms, f.p99_ms, f.cold_starts,
       1.0 * f.batched / f.batches AS mean_batch, f.share_gpu_s, f.gpu_s, f.run_id, f.fn
FROM function_result AS f JOIN run AS r ON r.id = f.run_id;

-- How would violations look under a stricter or laxer SLO?
CREATE VIEW slo_curve AS
SELECT r.label, r.grid, r.seed, p.multiplier,
       100.0 * sum(p.violations) / sum(f.window_arrivals) AS violation_pct, r.id AS run_id
FROM report AS p
JOIN function_result AS f ON f.run_id = p.run_id AND f.fn = p.fn
JOIN run AS r ON r.id = p.run_id
GROUP BY r.id, p.multiplier;

-- The distribution of latency: the share of completed requests faster than the next bucket's lower bound.
CREATE VIEW latency_cdf AS
SELECT r.label, r.grid, r.seed, h.fn, h.low_ns / 1e6 AS latency_ms, h.count,
       1.0 * sum(h.count) OVER (PARTITION BY h.run_id, h.fn ORDER BY h.bucket)
           / sum(h.count) OVER (PARTITION BY h.run_id, h.fn) AS share,
       r.id AS run_id
FROM histogram AS h JOIN run AS r ON r.id = h.run_id;

-- What did the policy do, and why?
CREATE VIEW action_log AS
SELECT r.label, r.grid, r.seed, a.at_ns / 1e9 AS at_s, f.name AS function, a.verb, a.pod, a.gpu, a."row",
       a.sm_pct, a.quota_pct, a.reason, a.refused, a.why, a.run_id, a.n
FROM action AS a
LEFT JOIN function_result AS f ON f.run_id = a.run_id AND f.fn = a.fn
JOIN run AS r ON r.id = a.run_id;

-- How often, for each reason?
CREATE VIEW action_count AS
SELECT label, grid, seed, verb, reason, count(*) AS times, sum(refused) AS refused, run_id
FROM action_log GROUP BY run_id, verb, reason;

-- Can two policies be ranked? Differences paired by seed, label minus other; half2 is the square of half the
-- 95 % interval of their mean, NULL with one seed. They are told apart where half2 < difference * difference. Runs
-- whose truth is drawn are left out: more seeds do not make the calibration any surer.
CREATE VIEW policy_pair AS
WITH value AS MATERIALIZED (
    SELECT plan, label, grid, seed, 'cost_per_1k_usd' AS metric, cost_per_1k_usd AS value FROM run_summary
    WHERE model_error = 0
    UNION ALL
    SELECT plan, label, grid, seed, 'violation_pct', violation_pct FROM run_summary
    WHERE model_error = 0
), paired AS (
    SELECT a.plan, a.grid, a.metric, a.label, b.label AS other, a.value - b.value AS difference,
           (a.value + b.value) / 2 AS middle,
           avg(a.value - b.value) OVER (PARTITION BY a.grid, a.metric, a.label, b.label) AS mean
    FROM value AS a
    JOIN value AS b ON b.grid = a.grid AND b.metric = a.metric AND b.seed = a.seed
                   AND (b.plan, b.label) > (a.plan, a.label)
    WHERE a.value IS NOT NULL AND b.value IS NOT NULL
), summed AS (
    SELECT min(plan) AS plan, grid, metric, label, other, count(*) AS runs, avg(difference) AS difference,
           avg(middle) AS middle,
           sum((difference - mean) * (difference - mean)) / nullif(count(*) - 1, 0) AS var
    FROM paired GROUP BY grid, metric, label, other
)
SELECT s.*, t.t * t.t * s.var / s.runs AS half2
FROM summed AS s LEFT JOIN student_t95 AS t ON t.df = min(s.runs - 1, 1000);

-- All warnings. wide-intervals: pairs of policies that cannot be ranked, unless their difference is surely below
-- 1 % of the cost, or 0.1 percentage points of violations. Its value is the number of seeds that would do.
CREATE VIEW warning_log AS
WITH undecided AS (
    SELECT *, min(1e6, round(runs * half2 / max(difference * difference, 1e-12 * half2))) AS needed,
           CASE metric WHEN 'violation_pct' THEN 0.1 ELSE 0.01 * middle END AS margin
    FROM policy_pair WHERE half2 >= difference * difference
)
SELECT w.name, r.label, f.name AS function, w.text, w.value, r.grid, r.seed, r.plan, w.run_id
FROM warning AS w
JOIN run AS r ON r.id = w.run_id
LEFT JOIN function_result AS f ON f.run_id = w.run_id AND f.fn = w.fn
UNION ALL
SELECT 'wide-intervals', label || ' and ' || other, NULL,
       CASE metric WHEN 'violation_pct'
           THEN printf('violations differ by %.2g percentage points', abs(difference))
           ELSE printf('costs differ by %.2g USD per 1,000 requests', abs(difference)) END
       || printf('%s; %d seeds do not tell, %s would', CASE WHEN grid = '{}' THEN '' ELSE ' at ' || grid END, runs,
                 CASE WHEN needed < 10000 THEN printf('about %d', needed) ELSE 'more than 10000' END),
       needed, grid, NULL, plan, NULL
FROM undecided
WHERE abs(difference) > margin OR half2 > (margin - abs(difference)) * (margin - abs(difference))
UNION ALL
SELECT 'wide-intervals', NULL, NULL, 'one seed tells no chance from skill: policies are not ranked', 1e6, NULL, NULL,
       0, NULL
FROM policy_pair WHERE half2 IS NULL GROUP BY 1;
