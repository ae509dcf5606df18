# A run over time: load, P50 and P95 of the requests sent in each 5 s, and what was allocated; testbed and simulated.
data = ARG1
load ARG4

# What was not recorded is NaN, and then 0 here.
larger(a, b) = a > b ? a : b
known(name) = column(name) == column(name) ? column(name) : 0
stats data index 0 using (run = stringcolumn(1), column("t_s")) name "time" nooutput
stats data index 2 using (about = stringcolumn(2), 0) nooutput
stats data index 0 using (larger(column("real_rps"), column("sim_rps"))) name "rps" nooutput
stats data index 0 using (larger(known("real_p50"), known("sim_p50"))) name "p50" nooutput
stats data index 0 using (larger(known("real_p95"), known("sim_p95"))) name "p95" nooutput
stats data index 1 using (larger(known("real_gpus"), known("sim_gpus"))) name "gpus" nooutput
stats data index 1 using (larger(known("real_pods"), known("sim_pods"))) name "pods" nooutput
stats data index 1 using (known("real_pods")) name "recorded" nooutput
is_recorded = recorded_max > 0

# Four panels, one above the other. In inches:
width = 6.6
panel = 1.15
gap = 0.3
bottom = 0.5
height = 0.8 + 4 * panel + 3 * gap + bottom
eval begin(width, height)
row(k) = frame(0.75, width - 0.6, bottom + (4 - k) * (panel + gap), bottom + (4 - k) * (panel + gap) + panel) . \
    sprintf("; set xtics format '%s'; set xlabel '%s' offset 0, 0.3", k == 4 ? "%g" : "", k == 4 ? "time since the load began, s" : "")
head(text) = sprintf("set label 1 '%s' at screen 0.026, graph 0.5 center rotate by 90", text)
span(most) = sprintf("set yrange [0 : %g]; set ytics %g", 1.08 * most, step_of(most / 4.0))
later = 2.5 # a bin's quantile stands in its middle

set label 2 run at screen 0.5, screen 1 - 0.18 / height center noenhanced font ":Bold"
set label 3 about at screen 0.5, screen 1 - 0.4 / height center noenhanced
set xrange [0 : time_max]
set key at graph 1, 1.03 right bottom Left reverse horizontal maxrows 1 samplen 1.5
set multiplot

eval row(1)
eval head("sent, requests/s")
eval span(larger(rps_max, 1))
plot data index 0 using "t_s":"sim_rps" with steps linecolor rgb colour[2] linewidth 1.4 title "simulated", \
    data index 0 using "t_s":"real_rps" with steps linecolor rgb colour[1] linewidth 1.4 title "testbed"
unset label 2
unset label 3
unset key

eval row(2)
eval head("P50, ms")
eval span(larger(p50_max, 1))
plot data index 0 using (column("t_s") + later):"sim_p50" with linespoints pointtype 7 pointsize 0.35 linecolor rgb colour[2] linewidth 1.2, \
    data index 0 using (column("t_s") + later):"real_p50" with linespoints pointtype 7 pointsize 0.35 linecolor rgb colour[1] linewidth 1.2

eval row(3)
eval head("P95, ms")
eval span(larger(p95_max, 1))
plot data index 0 using (column("t_s") + later):"sim_p95" with linespoints pointtype 7 pointsize 0.35 linecolor rgb colour[2] linewidth 1.2, \
    data index 0 using (column("t_s") + later):"real_p95" with linespoints pointtype 7 pointsize 0.35 linecolor rgb colour[1] linewidth 1.2

eval row(4)
eval head("SM × quota, GPUs")
eval span(larger(gpus_max, 0.01))
set border 11
set y2label "pods" offset -1.2, 0
set y2range [0 : 1.08 * larger(pods_max, 1)]
set y2tics ceil(larger(pods_max, 1) / 4.0) nomirror textcolor rgb 0x333333
set key
if (is_recorded) {
    plot data index 1 using "t_s":"sim_pods" axes x1y2 with steps linecolor rgb colour[2] linewidth 1 dashtype 3 notitle, \
        data index 1 using "t_s":"real_pods" axes x1y2 with steps linecolor rgb colour[1] linewidth 1 dashtype 3 title "pods (right)", \
        data index 1 using "t_s":"sim_gpus" with steps linecolor rgb colour[2] linewidth 1.4 notitle, \
        data index 1 using "t_s":"real_gpus" with steps linecolor rgb colour[1] linewidth 1.4 title "GPUs (left)"
} else {
    plot data index 1 using "t_s":"sim_pods" axes x1y2 with steps linecolor rgb colour[2] linewidth 1 dashtype 3 title "pods (right)", \
        data index 1 using "t_s":"sim_gpus" with steps linecolor rgb colour[2] linewidth 1.4 title "GPUs (left); the testbed's were not recorded"
}
unset multiplot
