data = ARG1
load ARG4

# Blocks: the policies against model_error, then the same over time.
stats data using (column("series")) name "series" nooutput
stats data using (column("part") == 0 ? column("runs") : NaN) name "runs" nooutput
stats data using (column("part") == 0 ? column("x") : NaN) name "error" nooutput
stats data using (column("part") == 0 ? column("cost") + sqrt(column("cost_half2")) : NaN) name "cost" nooutput
stats data using (column("part") == 0 ? column("miss") + sqrt(column("miss_half2")) : NaN) name "miss" nooutput
stats data using (column("part") == 1 ? column("x") + column("bin_s") : NaN) name "time" nooutput
blocks = series_blocks
array policy[blocks]
array part_of[blocks]
array nth[blocks]
do for [k = 1:blocks] {
    stats data index k-1 using (policy[k] = stringcolumn("policy"), part_of[k] = column("part"), \
        nth[k] = column("series"), 0) nooutput
}
over_x = 0
do for [k = 1:blocks] { over_x = part_of[k] == 0 ? k : over_x }

# Three panels of one size, in inches; the legend stands below.
panel_w = 1.75
panel_h = 1.6
gap = 0.55
left = 0.6
bottom = 0.78
top = 0.62
width = left + 3 * panel_w + 2 * gap + 0.15
height = bottom + panel_h + top
eval begin(width, height)
set label 1 heading("Policies that are wrong about latency", runs_max, runs_max, error_max) \
    at screen 0.5, screen 1 - 0.15 / height center font ",11"

low(name) = column(name) < sqrt(column(name . "_half2")) ? 0 : column(name) - sqrt(column(name . "_half2"))
high(name) = column(name) + sqrt(column(name . "_half2"))
dodged(k) = column("x") + 0.012 * error_max * (nth[k] - (series_max + 1) / 2.0)
unset key
set multiplot
do for [p = 1:2] {
    name = word("cost miss", p)
    x = left + (p - 1) * (panel_w + gap)
    eval frame(x, x + panel_w, bottom, bottom + panel_h)
    eval plain_axis("y", 1.08 * (p == 1 ? cost_max : miss_max > 0 ? miss_max : 1))
    set xrange [-0.05 * error_max : 1.05 * error_max]
    set xtics error_max / 4
    set xlabel "model error, × the calibration's" offset 0, 0.4
    set label 2 (p == 1 ? "cost, USD per 1,000" : "SLO violations, %") at graph 0.5, graph 1 center offset 0, 0.7 font ":Bold,9"
    plot for [k = 1:over_x] data index k-1 using (dodged(k)):(column(name)) \
            with lines linecolor rgb colour[cycle(nth[k])] linewidth 1.4, \
        for [k = 1:over_x] data index k-1 using (dodged(k)):(column(name)):(low(name)):(high(name)) \
            with yerrorbars linecolor rgb colour[cycle(nth[k])] linewidth 1.2 pointtype mark(nth[k]) pointsize 0.8
    unset label 1
}

# A square-root axis: what is left after the start, beside the start.
x = left + 2 * (panel_w + gap)
eval frame(x, x + panel_w, bottom, bottom + panel_h)
set nonlinear y via sqrt(y) inverse y*y
set yrange [0 : 100]
set ytics (0, 1, 5, 10, 25, 50, 100)
set xrange [0 : time_max]
set xtics step_of(time_max / 4)
set xlabel "s since the start" offset 0, 0.4
set label 2 sprintf("... at %g ×, by time", error_max) at graph 0.5, graph 1 center offset 0, 0.7 font ":Bold,9"
plot for [k = over_x+1:blocks] data index k-1 using "x":"miss" \
    with steps linecolor rgb colour[cycle(nth[k])] linewidth 1.4
eval legend(0.03, 0.28)
plot for [k = 1:over_x] NaN with linespoints linecolor rgb colour[cycle(nth[k])] linewidth 1.4 \
    pointtype mark(nth[k]) pointsize 0.8 title policy[k]
unset multiplot
