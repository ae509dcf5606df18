# A run's latencies: the share answered within a time, and the tail; simulated: the band of the seeds and their mean.
data = ARG1
load ARG4

stats data index 0 using (run = stringcolumn(1), column("ms")) name "ms" nooutput
stats data index 1 using (about = stringcolumn(2), 0) nooutput

width = 6.6
height = 3.5
eval begin(width, height)
set label 1 run at screen 0.5, screen 1 - 0.2 / height center noenhanced font ":Bold"
set label 2 about at screen 0.5, screen 1 - 0.42 / height center noenhanced
set multiplot
set xlabel "latency, ms" offset 0, 0.3
eval ratio_axis('x', ms_min, ms_max, 30)
set style fill solid 0.35 noborder

eval frame(0.75, 3.2, 0.55, height - 0.7)
set ylabel "share of answered requests, %" offset 0.8, 0
set yrange [0 : 100]
set ytics 20
set key bottom right Left reverse samplen 1.5
plot data index 0 using "ms":(100 * column("sim_lo")):(100 * column("sim_hi")) with filledcurves linecolor rgb colour[2] title "simulated, all seeds", \
    data index 0 using "ms":(100 * column("sim")) with lines linecolor rgb colour[2] linewidth 1.4 title "simulated, mean", \
    data index 0 using "ms":(100 * column("real")) with lines linecolor rgb colour[1] linewidth 1.8 title "testbed"
unset label 1
unset label 2

# Beyond, on a logarithmic axis: the P95 is at 5 %, the P99 at 1 %. What is 0 would leave it.
beyond(name) = 100 * (1 - column(name)) < 0.02 ? 0.02 : 100 * (1 - column(name))
eval frame(4.0, 6.45, 0.55, height - 0.7)
set ylabel "share that took longer, %" offset 0.8, 0
eval ratio_axis('y', 0.05, 100, 10)
unset key
plot data index 0 using "ms":(beyond("sim_hi")):(beyond("sim_lo")) with filledcurves linecolor rgb colour[2], \
    data index 0 using "ms":(beyond("sim")) with lines linecolor rgb colour[2] linewidth 1.4, \
    data index 0 using "ms":(beyond("real")) with lines linecolor rgb colour[1] linewidth 1.8
unset multiplot
