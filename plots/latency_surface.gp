data = ARG1
load ARG4

stats data using (column("latency_ms")) name "ms" nooutput
stats data using (column("extrapolated")) name "outside" nooutput
n = ms_blocks
array title[n]
do for [i = 1:n] { stats data index i-1 using (title[i] = stringcolumn(1), 0) nooutput }
stats data index 0 using (model = stringcolumn("model"), device = stringcolumn("device"), 0) nooutput

# Two panels a row, one colour bar for all; in inches:
panel_w = 1.85
panel_h = 1.5
gap_x = 0.25
gap_y = 0.45
left = 0.75
right = 0.95
bottom = 0.6
top = 0.75
rows = (n + 1) / 2
width = left + 2 * panel_w + gap_x + right
height = bottom + rows * panel_h + (rows - 1) * gap_y + top
eval begin(width, height)
set label 1 sprintf("Batch latency of %s on %s, token runtime, ms%s", model, device, outside_max > 0 ? " (· not measured)" : "") \
    at screen 0.5, screen 1 - 0.17 / height center noenhanced font ",11"

# Viridis: even in lightness, for any colour vision and in grey.
set palette defined (0 '#440154', 1 '#46327e', 2 '#365c8d', 3 '#277f8e', 4 '#1fa187', 5 '#4ac16d', 6 '#a0da39', 7 '#fde725')
set logscale cb
set cbrange [ms_min : ms_max]
set cbtics ()
do for [e = 0:4] { do for [m in "1 2 5"] { set cbtics add (sprintf("%g", m * 10.0**e) m * 10.0**e) } }
set colorbox user origin screen (width - right + 0.15) / width, screen bottom / height \
    size screen 0.14 / width, screen (height - top - bottom) / height noborder
set xrange [2.5 : 102.5]
set yrange [5 : 105]
set xtics 20
set ytics 20, 20, 100
set border 0
unset grid
set style fill solid 1
set key off
# Some cells tell their number, dark on the bright upper third of the colours.
text(sm, quota) = column("extrapolated") > 0 ? "·" : int(sm) % 20 == 10 && (quota == 20 || quota == 50 || quota == 90) ? \
    sprintf("%.0f", column("latency_ms")) : ""
ink(ms) = log(ms / ms_min) > 0.55 * log(ms_max / ms_min) ? 0x222222 : 0xffffff
set multiplot
do for [i = 1:n] {
    x = left + (i - 1) % 2 * (panel_w + gap_x)
    y = height - top - ((i - 1) / 2 + 1) * panel_h - (i - 1) / 2 * gap_y
    eval frame(x, x + panel_w, y, y + panel_h)
    set label 2 title[i] at graph 0.5, graph 1 center offset 0, 0.7 font ":Bold"
    set xlabel (i + 2 > n ? "SM partition, %" : "") offset 0, 0.3
    set ylabel (i % 2 == 1 ? "time quota, %" : "") offset 1, 0
    set ytics format (i % 2 == 1 ? "%g" : "")
    if (i > 1) { unset colorbox ; unset label 1 }
    plot data index i-1 using "sm_pct":"quota_pct":"latency_ms" with image, \
        data index i-1 using "sm_pct":"quota_pct":(text(column("sm_pct"), column("quota_pct"))):(ink(column("latency_ms"))) \
        with labels font ",7" textcolor rgb variable
}
unset multiplot
