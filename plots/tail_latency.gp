data = ARG1
load ARG4

stats data using (column("panel")) name "panel" nooutput
stats data using (column("ms")) name "ms" nooutput
stats data using (column("ms") + sqrt(column("half2"))) name "high" nooutput
stats data using (column("runs")) name "runs" nooutput
stats data using (column("model_error")) name "error" nooutput
blocks = panel_blocks
panels = int(panel_max) + 1
array first[panels]
array last[panels]
array title[panels]
array slo[panels]
array policy[blocks]
array nth[blocks]
do for [p = 1:panels] { first[p] = 0 ; last[p] = -1 }
series = 0
grid = ""
do for [k = 1:blocks] {
    stats data index k-1 using (p = column("panel") + 1, title[p] = stringcolumn("title"), slo[p] = column("slo_ms"), \
        policy[k] = stringcolumn("policy"), nth[k] = column("series"), grid = stringcolumn("grid"), 0) nooutput
    if (first[p] == 0) { first[p] = k }
    last[p] = k
    if (p == 1) { series = k }
}

# Panels of one size, in inches; the legend stands below.
columns = panels < 3 ? panels : 3
rows = int((panels + columns - 1) / columns)
panel_w = panels == 1 ? 4 : 1.95
panel_h = panels == 1 ? 2.4 : 1.35
gap_x = 0.5
gap_y = 0.5
left = 0.82
bottom = 0.6 + 0.19 * int((series + 1) / 2)
top = 0.7 + (strlen(grid) < 4 ? 0 : 0.16)
width = left + columns * panel_w + (columns - 1) * gap_x + 0.15
height = bottom + rows * panel_h + (rows - 1) * gap_y + top
eval begin(width, height)
set label 1 heading("Latency, arrival to response", runs_min, runs_max, error_max) . grid_line(grid) \
    at screen 0.5, screen 1 - 0.17 / height center noenhanced font ",11"
set label 2 (high_max > 2e4 ? "latency, s (log scale)" : "latency, ms (log scale)") at screen 0.17 / width, screen (bottom + (height - bottom - top) / 2) / height center rotate by 90

# Seconds where milliseconds grow long.
per = high_max > 2e4 ? 1000.0 : 1
least = ms_min / per / 1.6
eval ratio_axis("y", least, high_max / per * 1.6, 100)
set xrange [0.5 : 4.5]
set xtics ("P50" 1, "P90" 2, "P95" 3, "P99" 4) scale 0
set grid noxtics
dodged(k) = column("place") + 0.7 * (nth[k] - (series + 1) / 2.0) / series
low(k) = (column("ms") - sqrt(column("half2"))) / per < least ? least : (column("ms") - sqrt(column("half2"))) / per
unset key
set multiplot
do for [p = 1:panels] {
    x = left + (p - 1) % columns * (panel_w + gap_x)
    y = height - top - ((p - 1) / columns + 1) * panel_h - (p - 1) / columns * gap_y
    eval frame(x, x + panel_w, y, y + panel_h)
    set label 3 short(title[p]) at graph 0.5, graph 1 center offset 0, 0.7 noenhanced font ":Bold"
    if (p > 1) { unset label 1 ; unset label 2 }
    unset arrow 1
    unset label 4
    if (slo[p] > 0) {
        set arrow 1 from 0.5, slo[p] / per to 4.5, slo[p] / per nohead linecolor rgb 0x222222 linewidth 1 dashtype 2
        set label 4 "SLO" at 0.55, slo[p] / per offset 0, 0.45 font ",7"
    }
    plot for [k = first[p]:last[p]] data index k-1 using (dodged(k)):(column("ms") / per):(low(k)): \
        ((column("ms") + sqrt(column("half2"))) / per) \
        with yerrorbars linecolor rgb colour[cycle(nth[k])] linewidth 1.4 pointtype mark(nth[k]) pointsize 0.8
}
unset arrow 1
eval legend(0.05, bottom - 0.35)
plot for [k = first[1]:last[1]] NaN with points linecolor rgb colour[cycle(nth[k])] \
    linewidth 1.4 pointtype mark(nth[k]) pointsize 0.8 title policy[k]
unset multiplot
