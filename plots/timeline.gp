data = ARG1
load ARG4

stats data using (column("t_s") + column("step_s")) name "time" nooutput
stats data using (column("warmup_s")) name "warmup" nooutput
stats data using (column("seed")) name "seed" nooutput
grid = ""
stats data index 0 using (grid = stringcolumn("grid"), 0) nooutput

# Axes fit what counts: a start from nothing during the warm-up may leave the panel.
from = warmup_max < time_max ? warmup_max : 0
counted(name) = column("t_s") >= from ? column(name) : NaN
stats data using (counted("arrivals_rps")) name "arrivals" nooutput
stats data using (counted("capacity_rps")) name "capacity" nooutput
stats data using (counted("gpus")) name "gpus" nooutput
stats data using (counted("share_gpus")) name "share" nooutput
stats data using (counted("pods_ready") + column("pods_starting")) name "pods" nooutput
stats data using (counted("queued")) name "queue" nooutput

# One column of panels per policy, four rows; all of a row share their axis. In inches:
n = time_blocks
panel_w = n == 1 ? 5.2 : n == 2 ? 3.3 : 2.6
panel_h = 1.05
gap_x = 0.24
gap_y = 0.32
left = 0.75
right = 0.12
top = 0.8 + (strlen(grid) < 4 ? 0 : 0.16)
bottom = 0.52
width = left + n * panel_w + (n - 1) * gap_x + right
height = top + 4 * panel_h + 3 * gap_y + bottom
eval begin(width, height)

x_of(i) = left + (i - 1) * (panel_w + gap_x)
y_of(row) = height - top - (row - 1) * (panel_h + gap_y)
margins(i, row) = sprintf("set lmargin at screen %g; set rmargin at screen %g; set tmargin at screen %g; set bmargin at screen %g", \
    x_of(i) / width, (x_of(i) + panel_w) / width, y_of(row) / height, (y_of(row) - panel_h) / height)
axis(i, row, name, most) = margins(i, row) . \
    sprintf("; set yrange [0 : %g]; set ytics %g format '%s'", 1.08 * most, step_of(most / 4.0), i == 1 ? "%g" : "") . \
    sprintf("; set xtics format '%s'; set xlabel '%s'", row == 4 ? "%g" : "", row == 4 ? x_name : "") . \
    (i == 1 ? sprintf("; set label 1 '%s' at screen %g, screen %g center rotate by 90; set key at graph 0, 1.03 left bottom Left reverse horizontal maxrows 1 samplen 1.5", \
        name, 0.16 / width, (y_of(row) - panel_h / 2) / height) : "; unset label 1; unset key")

larger(a, b) = a > b ? a : b
rate_most = larger(larger(arrivals_max, capacity_max), 1e-3)
gpus_most = larger(larger(gpus_max, share_max), 1e-3)
pods_most = larger(pods_max, 1)
queue_most = larger(queue_max, 1)

# Seconds, minutes or hours, whichever keeps the numbers small.
per = time_max > 4 * 3600 ? 3600 : time_max > 300 ? 60 : 1
x_name = "simulated time, " . (per == 3600 ? "h" : per == 60 ? "min" : "s")
t = "(column('t_s') / per)"
set xrange [0 : time_max / per]
set xlabel offset 0, 0.3
set style fill solid 0.8 border

set label 2 sprintf("Load, GPUs, pods and queue over time (seed %d%s)", seed_min, \
    warmup_max > 0 ? "; shaded: warm-up, not counted" : "") . grid_line(grid) at screen 0.5, screen 1 - 0.2 / height center noenhanced font ",11"
if (warmup_max > 0) {
    set object 1 rectangle from first 0, graph 0 to first warmup_max / per, graph 1 behind \
        fillcolor rgb 0xe4e4e4 fillstyle solid 1 noborder
}

set multiplot
do for [i = 1:n] {
    k = i - 1
    stats data index k using (policy = stringcolumn(1), 0) nooutput
    set label 3 policy at screen (x_of(i) + panel_w / 2) / width, screen 1 - (top - 0.33) / height center noenhanced font ":Bold"

    eval axis(i, 1, "requests/s", rate_most)
    plot data index k using @t:"capacity_rps" with steps linecolor rgb colour[2] linewidth 1.6 title "capacity", \
        data index k using @t:"arrivals_rps" with steps linecolor rgb colour[1] linewidth 1 title "arrivals"
    unset label 2
    unset label 3

    eval axis(i, 2, "GPUs", gpus_most)
    plot data index k using @t:"gpus" with fillsteps fillcolor rgb 0xb9dcf2 fillstyle solid 1 title "occupied", \
        data index k using @t:"share_gpus" with steps linecolor rgb colour[1] linewidth 1.6 title "SM × quota"

    eval axis(i, 3, "pods", pods_most)
    plot data index k using @t:(column("pods_ready") + column("pods_starting")) with fillsteps fillcolor rgb colour[5] title "starting", \
        data index k using @t:"pods_ready" with fillsteps fillcolor rgb 0x66c5ab fillstyle solid 1 title "ready"

    eval axis(i, 4, "requests", queue_most)
    plot data index k using @t:"queued" with fillsteps fillcolor rgb colour[4] title "waiting, not on a GPU"
}
unset multiplot
