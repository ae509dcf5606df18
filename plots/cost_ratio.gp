data = ARG1
load ARG4

stats data using (column("runs")) name "runs" nooutput
stats data using (column("model_error")) name "error" nooutput
n = runs_blocks
array label[n]
array cost_paper[n]
array miss_paper[n]
baseline = ""
grid = ""
longest = 8
do for [i = 1:n] {
    stats data index i-1 using (label[i] = stringcolumn(1), baseline = stringcolumn("baseline"), \
        grid = stringcolumn("grid"), cost_paper[i] = column("cost_paper"), miss_paper[i] = column("miss_paper"), 0) nooutput
    label[i] = short(label[i])
    if (strlen(label[i]) > longest) { longest = strlen(label[i]) }
}

# Rows are policies, panels quantities; in inches:
row_h = 0.3
panel_w = 1.62
gap = 0.24
left = 0.25 + 0.082 * longest
right = 0.3
bottom = 0.62
top = 0.78 + (strlen(grid) < 4 ? 0 : 0.16)
width = left + 4 * panel_w + 3 * gap + right
height = bottom + n * row_h + top
eval begin(width, height)
set label 1 heading("Cost and violations", runs_min, runs_max, error_max) . grid_line(grid) at screen 0.5, screen 1 - 0.17 / height center noenhanced font ",11"

x_of(i) = left + (i - 1) * (panel_w + gap)
low_of(name) = column(name) - sqrt(column(name . "_half2"))
upper(name) = column(name) + sqrt(column(name . "_half2"))
high_of(name) = name eq "miss" ? percent(upper(name)) : upper(name)
row(j) = word(known, j) + 0
clipped(x) = x < least ? least : x

set border 1
set xtics font ",8"
set grid noytics
set ytics ()
do for [i = 1:n] { set ytics add (label[i] -i) }
set ytics noenhanced scale 0
unset key
set multiplot
do for [p = 1:4] {
    name = word("cost cost_ratio miss miss_ratio", p)
    title = p == 1 ? "cost" : p == 2 ? "cost / " . short(baseline) : p == 3 ? "SLO violations" : "violations / " . short(baseline)
    unit = p == 1 ? "USD per 1,000 requests" : p == 3 ? "% of requests" : "times"
    # Comparisons with what is missing (NaN) are false.
    least = 1e300
    most = 0
    set xrange [*:*]
    set yrange [*:*]
    stats data using (low_of(name) < least ? least = low_of(name) : 0, high_of(name) > most ? most = high_of(name) : 0, 0) nooutput
    unset for [i = 1:n] label 9 + i
    unset for [i = 1:n] label 59 + i
    known = ""
    do for [i = 1:n] {
        is_known = 0
        stats data index i-1 using (is_known = column(name) == column(name), 0) nooutput
        if (is_known) { known = known . sprintf("%d ", i) } else {
            set label 59 + i "n/a (divided by 0)" at graph 0.25, first -i font ",7" textcolor rgb 0x222222
        }
    }
    if (p % 2 == 0) {
        do for [i = 1:n] {
            paper = p == 2 ? cost_paper[i] : miss_paper[i]
            if (paper > 0) {
                set label 9 + i sprintf("paper %g×", paper) at paper, -i + 0.08 center offset 0, 0.7 front font ",7" \
                    point pointtype 12 pointsize 1.3 linecolor rgb 0x222222
                if (paper > most) { most = paper }
            }
        }
    }
    set yrange [-n - 0.5 : -0.5]
    is_far = least > 0 && most > 8 * least
    least = is_far ? least / 1.6 : 0
    if (is_far) { eval ratio_axis("x", least, most * 1.8, 60) } else { eval plain_axis("x", most > 0 ? 1.12 * most : 1) }
    eval frame(x_of(p), x_of(p) + panel_w, bottom, height - top)
    set xlabel unit offset 0, 0.3
    set label 2 title at graph 0.5, graph 1 center offset 0, 0.8 noenhanced font ":Bold,9"
    if (p > 1) { unset ytics; unset label 1 }
    if (p % 2 == 0) { set arrow 1 from 1, graph 0 to 1, graph 1 nohead linecolor rgb grey linewidth 1 dashtype 2 }
    if (words(known) == 0) { plot 1/0 } else {
        plot for [j = 1:words(known)] data index row(j)-1 \
            using (column(name)):(-row(j)):(clipped(low_of(name))):(high_of(name)) \
            with xerrorbars linecolor rgb colour[cycle(row(j))] linewidth 1.8 pointtype mark(row(j)) pointsize 1
    }
    unset arrow 1
}
unset multiplot
