# What GPUs make of the same models: batch latency at full quota against the SM share. Drawn by `hassim calib figure`,
# which writes the rows.
data = ARG1
load ARG4

# Two data sets per panel and device, fit and measured points; those of a panel have one title.
stats data using (column("sm_pct") > 0 ? column("ms") : NaN) name "ms" nooutput
sets = ms_blocks - 1
array title[sets]
array device[sets]
do for [i = 1:sets] { stats data index i-1 using (title[i] = stringcolumn("panel"), device[i] = stringcolumn("device"), 0) nooutput }
devices = 1
while (devices * 2 < sets && title[devices * 2 + 1] eq title[1]) { devices = devices + 1 }
n = sets / (2 * devices)
set_of(panel, d, measured) = ((panel - 1) * devices + d - 1) * 2 + measured
measured = 0
do for [i = 2:sets:2] {
    stats data index i-1 using (column("sm_pct")) name "at" nooutput
    measured = at_max > 0 ? 1 : measured
}

array least[n]
array most[n]
do for [i = 1:n] {
    stats data index set_of(i, 1, 0):set_of(i, devices, 1) using \
        (column("sm_pct") > 0 && column("outside") == 0 ? column("ms") : NaN) name "here" nooutput
    least[i] = here_min
    most[i] = here_max
}

# Panels of three a row, one legend above; in inches:
panel_w = 1.75
panel_h = 1.35
gap_x = 0.5
gap_y = 0.5
left = 0.8
right = 0.2
bottom = 0.55
top = 0.75
across = n < 3 ? n : 3
rows = (n + across - 1) / across
width = left + across * panel_w + (across - 1) * gap_x + right
height = bottom + rows * panel_h + (rows - 1) * gap_y + top
eval begin(width, height)

set style fill solid 0.18 noborder
set xrange [0 : 100]
set xtics 20
set logscale y
set multiplot
do for [i = 1:n] {
    x = left + (i - 1) % across * (panel_w + gap_x)
    y = height - top - ((i - 1) / across + 1) * panel_h - (i - 1) / across * gap_y
    eval ratio_axis('y', least[i] * 0.7, most[i] * 1.4, 30)
    eval frame(x, x + panel_w, y, y + panel_h)
    set label 2 title[set_of(i, 1, 0) + 1] at graph 0.5, graph 1 center offset 0, 0.7 noenhanced font ":Bold"
    set xlabel (i + across > n ? "SM share, %" : "") offset 0, 0.3
    set ylabel (i % across == 1 || across == 1 ? "latency, ms" : "") offset 0.3, 0
    set key off
    plot for [d = 1:devices] data index set_of(i, d, 0) using (column("outside") == 0 ? column("sm_pct") : NaN):"low_ms":"high_ms" \
            with filledcurves linecolor rgb colour[cycle(d)] notitle, \
        for [d = 1:devices] data index set_of(i, d, 0) using "sm_pct":"ms" \
            with lines dashtype 3 linewidth 1 linecolor rgb colour[cycle(d)] notitle, \
        for [d = 1:devices] data index set_of(i, d, 0) using (column("outside") == 0 ? column("sm_pct") : NaN):"ms" \
            with lines linewidth 1.5 linecolor rgb colour[cycle(d)] notitle, \
        for [d = 1:devices] data index set_of(i, d, 1) using "sm_pct":"ms" \
            with points pointtype mark(d) pointsize 0.5 linecolor rgb colour[cycle(d)] notitle
}
unset label 2
eval legend(height - 0.42, height - 0.08)
plot for [d = 1:devices] NaN with linespoints linewidth 1.5 pointtype (measured ? mark(d) : 0) pointsize 0.6 \
        linecolor rgb colour[cycle(d)] title device[2 * d], \
    NaN with lines dashtype 3 linecolor rgb grey title "not measured"
unset multiplot
