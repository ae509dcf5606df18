data = ARG1
load ARG4

stats data using (column("cost_per_1k_usd")) name "cost" nooutput
stats data using (column("violation_pct")) name "miss" nooutput
stats data using (column("runs")) name "runs" nooutput
stats data using (column("model_error")) name "error" nooutput
varied = ""
stats data index 0 using (varied = stringcolumn("varied"), 0) nooutput
stats data using (sqrt(column("cost_half2"))) name "cost_half" nooutput
stats data using (percent(column("violation_pct") + sqrt(column("violation_half2")))) name "miss_high" nooutput
stats data using (column("cost_per_1k_usd") - sqrt(column("cost_half2"))) name "cost_low" nooutput
stats data using (column("violation_pct") - sqrt(column("violation_half2"))) name "miss_low" nooutput

# The legend stands below, as many policies a line as their names allow.
longest = 0
do for [i = 1:cost_blocks] { stats data index i-1 using (longest = strlen(stringcolumn(1)) > longest ? strlen(stringcolumn(1)) : longest, 0) nooutput }
key_columns = longest > 13 ? 2 : 3
key_rows = int((cost_blocks + key_columns - 1) / key_columns)
height = 3.65 + 0.19 * key_rows
eval begin(5, height)

# A ratio axis where policies are far apart and no interval reaches zero. Otherwise intervals are cut at zero:
# neither quantity can be less.
far_apart(low, least, most) = low > 0 && most > 5 * least
x_log = far_apart(cost_low_min, cost_min, cost_max)
y_log = far_apart(miss_low_min, miss_min, miss_max)
x_least = x_log ? cost_low_min / 1.5 : 0
y_least = y_log ? miss_low_min / 1.5 : 0
x_most = x_log ? (cost_max + cost_half_max) * 1.5 : 1.2 * (cost_max + cost_half_max)
y_most = y_log ? miss_high_max * 1.5 : miss_high_max > 0 ? 1.05 * miss_high_max : 1
set xrange [x_least : x_most > 0 ? x_most : 1]
set yrange [y_least : y_most]
if (x_log) {
    set logscale x
    set xtics ()
    set for [e = -6:6] for [m in "1 2 5"] xtics add (sprintf("%g", m * 10.0**e) m * 10.0**e)
}
if (y_log) {
    set logscale y
    set ytics ()
    set for [e = -6:2] for [m in "1 2 5"] ytics add (sprintf("%g", m * 10.0**e) m * 10.0**e)
}

at_least(value, floor) = value < floor ? floor : value
x_low = "at_least(column('cost_per_1k_usd') - sqrt(column('cost_half2')), x_least)"
x_high = "column('cost_per_1k_usd') + sqrt(column('cost_half2'))"
y_low = "at_least(column('violation_pct') - sqrt(column('violation_half2')), y_least)"
y_high = "percent(column('violation_pct') + sqrt(column('violation_half2')))"

set title heading("Cost and SLO violations", runs_min, runs_max, error_max) . \
    (strlen(varied) < 4 ? "" : "\na policy's points differ in " . varied) noenhanced font ",11"
set xlabel "cost, USD per 1,000 requests  (← cheaper)"
set ylabel "SLO violations, % of requests  (← fewer)"
set key at screen 0.5, screen 0.06 / height center bottom horizontal maxcols key_columns Left reverse samplen 1.5 width 1
set bmargin at screen (0.63 + 0.19 * key_rows) / height

plot for [i = 1:cost_blocks] data index i-1 \
    using "cost_per_1k_usd":"violation_pct":(@x_low):(@x_high):(@y_low):(@y_high) \
    with xyerrorbars linecolor rgb colour[cycle(i)] linewidth 1.6 pointtype mark(i) pointsize 1 \
    title columnheader(1), \
    for [i = 1:cost_blocks] data index i-1 using "cost_per_1k_usd":"violation_pct" \
    with lines linecolor rgb colour[cycle(i)] linewidth 0.8 dashtype 3 notitle
