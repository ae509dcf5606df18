# Simulated against real: P50 and P95 of every run, by system; the band is 9 % to either side.
data = ARG1
load ARG4

stats data using (1) name "all" nooutput
blocks = all_blocks - 1 # the last says how it was simulated
runs = 0
do for [i = 0 : blocks - 1] {
    stats data index i using (column("real_p50")) name "n" nooutput
    runs = runs + n_records
}
stats data index blocks using (about = stringcolumn(2), 0) nooutput
width = 6.6
height = 4.2
eval begin(width, height)
set label 1 sprintf("%d run%s", runs, runs == 1 ? "" : "s") at screen 0.5, screen 1 - 0.2 / height center font ":Bold"
set label 2 about at screen 0.5, screen 1 - 0.42 / height center noenhanced
set multiplot
set xlabel "testbed, ms" offset 0, 0.3
set key top left Left reverse samplen 0.5
set style fill solid 0.18 noborder

do for [k = 1:2] {
    name = k == 1 ? "p50" : "p95"
    unset logscale
    set xrange [*:*] # what is out of range, stats does not count
    set yrange [*:*]
    least = 1e9
    most = 0
    do for [i = 0 : blocks - 1] {
        do for [what in "real_ sim_"] {
            stats data index i using (column(what . name)) name "at" nooutput
            least = at_min < least ? at_min : least
            most = at_max > most ? at_max : most
        }
    }
    middle = sqrt(least * most)
    least = 0.8 * least < middle / 2.5 ? 0.8 * least : middle / 2.5
    most = 1.25 * most > middle * 2.5 ? 1.25 * most : middle * 2.5
    eval frame(k == 1 ? 0.8 : 4.05, k == 1 ? 3.4 : 6.5, 0.6, height - 0.9)
    set title (k == 1 ? "P50" : "P95")
    set ylabel (k == 1 ? "simulated, ms" : "") offset 0.5, 0
    eval ratio_axis('x', least, most, 100)
    eval ratio_axis('y', least, most, 100)
    plot [least:most] '+' using 1:($1 / 1.09):($1 * 1.09) with filledcurves linecolor rgb grey title (k == 1 ? "9 %" : ""), \
        x with lines linecolor rgb grey linewidth 0.8 notitle, \
        for [i = 0 : blocks - 1] data index i using "real_" . name:"sim_" . name with points pointtype mark(i + 1) \
        pointsize 0.9 linecolor rgb colour[cycle(i + 1)] title (k == 1 ? columnheader(1) : "")
    unset key
    unset label 1
    unset label 2
}
unset multiplot
