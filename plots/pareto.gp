data = ARG1
load ARG4

stats data using (column("cost") + sqrt(column("cost_half2"))) name "cost" nooutput
stats data using (column("cost") - sqrt(column("cost_half2"))) name "cost_low" nooutput
stats data using (percent(column("miss") + sqrt(column("miss_half2")))) name "miss" nooutput
stats data using (column("miss") - sqrt(column("miss_half2"))) name "miss_low" nooutput
stats data using (column("runs")) name "runs" nooutput
stats data using (column("model_error")) name "error" nooutput
grid = ""
stats data index 0 using (grid = stringcolumn("here_grid"), 0) nooutput
systems = cost_blocks - 1 # the last block is the front

key_rows = int((systems + 3) / 3)
height = 3.65 + 0.19 * key_rows
width = 5
eval begin(width, height)

# Ratio axes where points are far apart and no interval reaches zero, as in cost_violation.
x_far = cost_low_min > 0 && cost_max > 5 * cost_low_min
y_far = miss_low_min > 0 && miss_max > 5 * miss_low_min
x_least = x_far ? cost_low_min / 1.3 : 0
y_least = y_far ? miss_low_min / 1.3 : 0
if (x_far) { eval ratio_axis("x", x_least, cost_max * 1.3, 100) } else { eval plain_axis("x", 1.1 * cost_max) }
if (y_far) { eval ratio_axis("y", y_least, miss_max * 1.3, 100) } else { eval plain_axis("y", miss_max > 0 ? 1.05 * miss_max : 1) }
at_least(value, floor) = value < floor ? floor : value
x_low = "at_least(column('cost') - sqrt(column('cost_half2')), x_least)"
y_low = "at_least(column('miss') - sqrt(column('miss_half2')), y_least)"

set title heading("Settings of the policies", runs_min, runs_max, error_max) . grid_line(grid) noenhanced font ",11"
set xlabel "cost, USD per 1,000 requests  (← cheaper)"
set ylabel "SLO violations, % of requests  (← fewer)"
set key at screen 0.5, screen 0.06 / height center bottom horizontal maxcols 3 Left reverse samplen 1.5 width 1
set bmargin at screen (0.63 + 0.19 * key_rows) / height

plot data index systems using "cost":"miss" with steps linecolor rgb 0xc8c8c8 linewidth 6 title "not dominated", \
    for [i = 1:systems] data index i-1 using "cost":"miss" with lines linecolor rgb colour[cycle(i)] linewidth 0.8 dashtype 3 notitle, \
    for [i = 1:systems] data index i-1 \
    using "cost":"miss":(@x_low):(column("cost") + sqrt(column("cost_half2"))):(@y_low):(percent(column("miss") + sqrt(column("miss_half2")))) \
    with xyerrorbars linecolor rgb colour[cycle(i)] linewidth 1.3 pointtype mark(i) pointsize 0.9 title columnheader(1)
