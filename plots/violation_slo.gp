data = ARG1
load ARG4

stats data using (column("panel")) name "panel" nooutput
stats data using (column("multiplier")) name "multiplier" nooutput
stats data using (column("violation_pct") + sqrt(column("half2"))) name "miss" nooutput
stats data using (column("runs")) name "runs" nooutput
stats data using (column("model_error")) name "error" nooutput
blocks = panel_blocks
panels = int(panel_max) + 1
array first[panels]
array last[panels]
array title[panels]
array policy[blocks]
array nth[blocks]
do for [p = 1:panels] { first[p] = 0 }
series = 0
do for [k = 1:blocks] {
    stats data index k-1 using (p = column("panel") + 1, title[p] = stringcolumn("title"), \
        policy[k] = stringcolumn("policy"), nth[k] = column("series"), 0) nooutput
    if (first[p] == 0) { first[p] = k }
    last[p] = k
    if (p == 1) { series = k }
}

# Panels of one size, in inches; the legend stands below, two policies a line.
columns = panels < 3 ? panels : 3
rows = int((panels + columns - 1) / columns)
panel_w = panels == 1 ? 4 : 1.95
panel_h = panels == 1 ? 2.4 : 1.35
gap_x = 0.4
gap_y = 0.5
left = 0.72
bottom = 0.72 + 0.19 * int((series + 1) / 2)
top = 0.7
width = left + columns * panel_w + (columns - 1) * gap_x + 0.15
height = bottom + rows * panel_h + (rows - 1) * gap_y + top
eval begin(width, height)
set label 1 heading("SLO violations and the SLO multiplier", runs_min, runs_max, error_max) \
    at screen 0.5, screen 1 - 0.17 / height center font ",11"
set label 2 "SLO violations, % of\nrequests (square-root)" at screen 0.17 / width, \
    screen (bottom + (height - bottom - top) / 2) / height center rotate by 90

# A square-root axis shows nothing as nothing, and a tenth of a percent still beside fifty.
most = miss_max > 100 ? 100 : miss_max > 0 ? miss_max : 1
set nonlinear y via sqrt(y) inverse y*y
set yrange [0 : 1.1 * most]
set ytics (0)
do for [t in most > 20 ? "2 10 25 50 100" : most > 2 ? "0.2 1 5 10 20" : "0.01 0.1 0.5 1 2"] {
    if (t + 0 < 1.1 * most && sqrt(1.0 * t / most) > 0.13) { set ytics add (t t + 0) }
}
# The multipliers that were run, but where their numbers would touch.
set logscale x
set xrange [multiplier_min / 1.1 : multiplier_max * 1.1]
set xtics ()
shown = 0
apart(x) = shown == 0 || log(x / shown) > (panels == 1 ? 0.08 : 0.16) * log(1.21 * multiplier_max / multiplier_min)
multipliers = ""
stats data index 0 using (multipliers = multipliers . sprintf(" %g", column("multiplier")), 0) nooutput
do for [m in multipliers] { if (apart(m + 0.0)) { set xtics add (m m + 0.0); shown = m + 0.0 } }
dodged(k) = column("multiplier") * (1 + 0.025 * (nth[k] - (series + 1) / 2.0))
unset key
set multiplot
do for [p = 1:panels] {
    column_of = (p - 1) % columns
    row_of = (p - 1) / columns
    x = left + column_of * (panel_w + gap_x)
    y = height - top - (row_of + 1) * panel_h - row_of * gap_y
    eval frame(x, x + panel_w, y, y + panel_h)
    set label 3 short(title[p]) at graph 0.5, graph 1 center offset 0, 0.7 noenhanced font ":Bold"
    set xlabel (p + columns > panels ? "SLO, × base latency" : "") offset 0, 0.3
    if (p > 1) { unset label 1 ; unset label 2 }
    # The paper's mark, series 0, comes first where it is.
    ours = first[p] + (nth[first[p]] == 0)
    plot for [k = first[p]:ours-1] data index k-1 using "multiplier":"violation_pct" \
            with linespoints linecolor rgb grey linewidth 1.2 dashtype 2 pointtype 12 pointsize 0.8, \
        for [k = ours:last[p]] data index k-1 using (dodged(k)):"violation_pct" \
            with lines linecolor rgb colour[cycle(nth[k])] linewidth 1.4, \
        for [k = ours:last[p]] data index k-1 using (dodged(k)):"violation_pct": \
            (column("violation_pct") < sqrt(column("half2")) ? 0 : column("violation_pct") - sqrt(column("half2"))): \
            (column("violation_pct") + sqrt(column("half2")) > 100 ? 100 : column("violation_pct") + sqrt(column("half2"))) \
            with yerrorbars linecolor rgb colour[cycle(nth[k])] linewidth 1.2 \
            pointtype mark(nth[k]) pointsize 0.8
}
eval legend(0.05, bottom - 0.5)
plot for [k = first[1]:last[1]] NaN with linespoints linecolor rgb (nth[k] == 0 ? grey : colour[cycle(nth[k])]) \
    linewidth 1.4 pointtype (nth[k] == 0 ? 12 : mark(nth[k])) pointsize 0.8 title policy[k]
unset multiplot
