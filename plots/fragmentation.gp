data = ARG1
load ARG4

stats data using (column("t_s") + column("step_s")) name "time" nooutput
stats data using (column("warmup_s")) name "warmup" nooutput
stats data using (column("runs")) name "runs" nooutput
stats data using (column("model_error")) name "error" nooutput
grid = ""
stats data index 0 using (grid = stringcolumn("grid"), 0) nooutput
from = warmup_max < time_max ? warmup_max : 0
counted(name) = column("t_s") >= from ? column(name) + sqrt(column(name . "_half2")) : NaN
stats data using (counted("gpus")) name "gpus" nooutput
stats data using (counted("share")) name "share" nooutput

# A column of two panels per policy, at most four a row; in inches:
n = time_blocks
columns = n < 4 ? n : 4
bands = (n + 3) / 4
panel_w = n == 1 ? 4.2 : n == 2 ? 2.8 : n == 3 ? 2.1 : 1.75
panel_h = 1.1
gap_x = 0.24
gap_y = 0.25
band_gap = 0.9
left = 0.8
bottom = 0.95
top = 0.75 + (strlen(grid) < 4 ? 0 : 0.16)
width = left + columns * panel_w + (columns - 1) * gap_x + 0.15
height = bottom + bands * (2 * panel_h + gap_y) + (bands - 1) * band_gap + top
eval begin(width, height)
set label 1 heading("GPUs occupied, and how much of them is allocated", runs_min, runs_max, error_max) . \
    grid_line(grid) at screen 0.5, screen 1 - 0.17 / height center noenhanced font ",11"

per = time_max > 4 * 3600 ? 3600 : time_max > 300 ? 60 : 1
t = "(column('t_s') / per)"
set xrange [0 : time_max / per]
most = gpus_max > share_max ? gpus_max : share_max
if (warmup_max > 0) {
    set object 1 rectangle from first 0, graph 0 to first warmup_max / per, graph 1 behind \
        fillcolor rgb 0xe4e4e4 fillstyle solid 1 noborder
}
low_of(name) = column(name) < sqrt(column(name . "_half2")) ? 0 : column(name) - sqrt(column(name . "_half2"))
high_of(name) = column(name) + sqrt(column(name . "_half2"))
set key off
set style fill transparent solid 0.3 noborder
set multiplot
do for [i = 1:n] {
    k = i - 1
    first_column = k % columns == 0
    x = left + k % columns * (panel_w + gap_x)
    y = height - top - k / columns * (2 * panel_h + gap_y + band_gap)
    stats data index k using (policy = stringcolumn(1), 0) nooutput
    stats data index k using (column("t_s") >= from && column("packed") == column("packed") ? column("packed") : NaN) name "packed" nooutput
    set label 2 sprintf("%s: %.0f %%", short(policy), 100 * packed_mean) at screen (x + panel_w / 2) / width, screen (y + 0.16) / height \
        center noenhanced font ":Bold,9"

    eval frame(x, x + panel_w, y - panel_h, y)
    eval plain_axis("y", most > 0 ? 1.08 * most : 1)
    set ytics format (first_column ? "%g" : "")
    set xtics format ""
    unset xlabel
    if (first_column) { set label 3 "GPUs" at screen 0.17 / width, screen (y - panel_h / 2) / height center rotate by 90 }
    plot data index k using @t:(low_of("gpus")):(high_of("gpus")) with filledcurves linecolor rgb colour[6], \
        data index k using @t:(low_of("share")):(high_of("share")) with filledcurves linecolor rgb colour[2], \
        data index k using @t:"gpus" with lines linecolor rgb colour[1] linewidth 1.4, \
        data index k using @t:"share" with lines linecolor rgb colour[2] linewidth 1.4
    unset label 1
    unset label 2

    eval frame(x, x + panel_w, y - 2 * panel_h - gap_y, y - panel_h - gap_y)
    set yrange [0 : 105]
    set ytics 25
    set xtics format "%g"
    set xlabel "simulated time, " . (per == 3600 ? "h" : per == 60 ? "min" : "s") offset 0, 0.3
    if (first_column) { set label 3 "allocated, %" at screen 0.17 / width, screen (y - 1.5 * panel_h - gap_y) / height center rotate by 90 }
    plot data index k using @t:(100 * low_of("packed")):(100 * high_of("packed")) with filledcurves linecolor rgb colour[3], \
        data index k using @t:(100 * column("packed")) with lines linecolor rgb colour[3] linewidth 1.4
    unset label 3
}
eval legend(0.05, 0.4)
plot NaN with lines linecolor rgb colour[1] linewidth 1.6 title "GPUs occupied", \
    NaN with lines linecolor rgb colour[2] linewidth 1.6 title "SM × quota allocated", \
    NaN with lines linecolor rgb colour[3] linewidth 1.6 title "allocated / occupied (title: mean)"
unset multiplot
