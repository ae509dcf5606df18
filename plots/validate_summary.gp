# Simulated against real: P50 and P95 of every run, by system; the band is 9 % to either side.
data = ARG1
load ARG4

stats data using (column("real_p50")) name "n" nooutput
width = 6.6
height = 3.9
eval begin(width, height)
set multiplot
set xlabel "testbed, ms" offset 0, 0.3
set key top left Left reverse samplen 0.5
set style fill solid 0.18 noborder

do for [k = 1:2] {
    name = k == 1 ? "p50" : "p95"
    unset logscale
    set xrange [*:*] # what is out of range, stats does not count
    set yrange [*:*]
    stats data using (column("real_" . name)) name "real" nooutput
    stats data using (column("sim_" . name)) name "sim" nooutput
    least = 0.8 * (real_min < sim_min ? real_min : sim_min)
    most = 1.25 * (real_max > sim_max ? real_max : sim_max)
    eval frame(k == 1 ? 0.8 : 4.05, k == 1 ? 3.4 : 6.5, 0.6, height - 0.5)
    set title (k == 1 ? "P50" : "P95")
    set ylabel (k == 1 ? "simulated, ms" : "") offset 0.5, 0
    eval ratio_axis('x', least, most, 100)
    eval ratio_axis('y', least, most, 100)
    plot [least:most] '+' using 1:($1 / 1.09):($1 * 1.09) with filledcurves linecolor rgb grey title (k == 1 ? "9 %" : ""), \
        x with lines linecolor rgb grey linewidth 0.8 notitle, \
        for [i = 0 : n_blocks - 1] data index i using "real_" . name:"sim_" . name with points pointtype mark(i + 1) \
        pointsize 0.9 linecolor rgb colour[cycle(i + 1)] title (k == 1 ? columnheader(1) : "")
    unset key
}
unset multiplot
