data = ARG1
load ARG4

stats data using (column("runs")) name "runs" nooutput
stats data using (column("model_error")) name "error" nooutput
n = runs_blocks
array label[n]
grid = ""
do for [i = 1:n] { stats data index i-1 using (label[i] = stringcolumn(1), grid = stringcolumn("grid"), 0) nooutput }

# Rows are variants, panels quantities; in inches:
row_h = 0.3
panel_w = 1.75
gap = 0.3
left = 1.35
right = 0.25
bottom = 0.62
top = 0.78 + (strlen(grid) < 4 ? 0 : 0.16)
width = left + 3 * panel_w + 2 * gap + right
height = bottom + n * row_h + top
eval begin(width, height)
set label 1 heading("HAS-GPU without one of its parts", runs_min, runs_max, error_max) . grid_line(grid) \
    at screen 0.5, screen 1 - 0.17 / height center noenhanced font ",11"

low_of(name) = column(name) - sqrt(column(name . "_half2"))
upper(name) = column(name) + sqrt(column(name . "_half2"))
high_of(name) = name eq "miss" ? percent(upper(name)) : upper(name)
clipped(x) = x < least ? least : x
set border 1
set grid noytics
set xtics font ",8"
set ytics ()
do for [i = 1:n] { set ytics add (label[i] -i) }
set ytics noenhanced scale 0
unset key
set multiplot
do for [p = 1:3] {
    name = word("cost miss gpus", p)
    least = 1e300
    most = 0
    set xrange [*:*]
    set yrange [*:*]
    stats data using (low_of(name) < least ? least = low_of(name) : 0, high_of(name) > most ? most = high_of(name) : 0, 0) nooutput
    stats data index 0 using (whole = column(name), 0) nooutput
    set yrange [-n - 0.5 : -0.5]
    is_far = least > 0 && most > 8 * least
    least = is_far ? least / 1.6 : 0
    if (is_far) { eval ratio_axis("x", least, most * 1.8, 60) } else { eval plain_axis("x", most > 0 ? 1.12 * most : 1) }
    x = left + (p - 1) * (panel_w + gap)
    eval frame(x, x + panel_w, bottom, height - top)
    set xlabel (p == 1 ? "USD per 1,000 requests" : p == 2 ? "% of requests" : "GPUs, mean") offset 0, 0.3
    set label 2 (p == 1 ? "cost" : p == 2 ? "SLO violations" : "GPUs occupied") at graph 0.5, graph 1 center offset 0, 0.8 font ":Bold,9"
    set arrow 1 from whole, graph 0 to whole, graph 1 nohead linecolor rgb grey linewidth 1 dashtype 2
    if (p > 1) { unset ytics; unset label 1 }
    plot for [i = 1:n] data index i-1 using (column(name)):(-i):(clipped(low_of(name))):(high_of(name)) \
        with xerrorbars linecolor rgb colour[i == 1 ? 1 : 2] linewidth 1.8 pointtype shape[i == 1 ? 1 : 2] pointsize 1
}
unset multiplot
