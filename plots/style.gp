# Common style: load it first, then "eval begin(width, height)" in inches opens the terminal.
#
# Colours are those of Okabe and Ito (Color Universal Design, 2008), told apart with any colour vision; point
# shapes differ as well. Sizes suit one column of a paper: 9-point text at the width given.

set encoding utf8
set datafile separator tab
set datafile missing "NaN"

array colour[8] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x000000, 0x999999]
array shape[8] = [7, 5, 9, 13, 11, 15, 6, 4]
cycle(i) = int(i - 1) % 8 + 1
mark(i) = shape[cycle(i + int((i - 1) / 8))] # with its colour, it is another for each of 64
grey = 0x666666

terminal(w, h) = ARG3 eq "svg" ? \
    sprintf("set terminal svg enhanced size %d,%d font 'DejaVu Sans,Arial,sans-serif,12' background 'white' linewidth 1.2", w * 96, h * 96) : \
    ARG3 eq "png" ? \
    sprintf("set terminal pngcairo enhanced size %d,%d font 'DejaVu Sans,12' fontscale 1.56 linewidth 2.4 pointscale 1.8", w * 200, h * 200) : \
    sprintf("set terminal pdfcairo enhanced size %gin,%gin font 'DejaVu Sans,9' fontscale 1 linewidth 1.2 pointscale 0.6", w, h)
begin(w, h) = terminal(w, h) . "; set output ARG2"

# Axes below and left only; a light grid behind the data.
set border 3 back linecolor rgb grey linewidth 0.8
set tics nomirror textcolor rgb 0x333333
set grid xtics ytics linecolor rgb 0xdddddd linetype 1 linewidth 0.6
set key noenhanced textcolor rgb 0x222222
set style fill solid 0.25 noborder

# A step of 1, 2 or 5 times a power of ten that cuts a range into at most four.
decade(x) = 10.0**floor(log10(x))
step_of(x) = x / decade(x) <= 1 ? decade(x) : x / decade(x) <= 2 ? 2 * decade(x) : x / decade(x) <= 5 ? 5 * decade(x) : 10 * decade(x)

# Panels in inches within a picture of width x height, the origin below left; "eval frame(...)" places the next one.
frame(left, right, bottom, top) = sprintf("set lmargin at screen %g; set rmargin at screen %g; set bmargin at screen %g; set tmargin at screen %g", \
    left / width, right / width, bottom / height, top / height)

# A ratio axis, "eval ratio_axis('x', least, most, span)": tics at 1, 2 and 5 times powers of ten, at powers alone
# where most / least exceeds span, what the panel has room for.
tic_list(e, last, all) = e > last ? "" : sprintf("'%g' %g%s", 10.0**e, 10.0**e, e < last ? ", " : "") . \
    (all && e < last ? sprintf("'%g' %g, '%g' %g, ", 2 * 10.0**e, 2 * 10.0**e, 5 * 10.0**e, 5 * 10.0**e) : "") . tic_list(e + 1, last, all)
ratio_axis(axis, least, most, span) = sprintf("set logscale %s; set %srange [%g : %g]; set %stics (", axis, axis, least, most, axis) . \
    tic_list(floor(log10(least)), ceil(log10(most)), most / least <= span) . ")"
plain_axis(axis, most) = sprintf("unset logscale %s; set %srange [0 : %g]; set %stics %g", axis, axis, most, axis, step_of(most / 4.0))

# What is drawn, and of how many runs. error > 0: where the GPUs themselves are drawn, intervals are those of one more draw.
heading(what, least, most, error) = most < 2 ? what . " (one run each)" : what . ": means of " . \
    (least == most ? sprintf("%d", most) : sprintf("%d to %d", least, most)) . " runs, 95 % intervals" . \
    (error > 0 ? " of one more draw" : "")

# An interval may reach beyond what a percentage can be.
percent(x) = x > 100 ? 100 : x

# Below a title, the grid point that is shown; none where there is but one (NaN).
grid_line(grid) = strlen(grid) < 4 ? "" : "\nat " . grid

# Long names, such as a trace's hashes, by their beginning
short(name) = strlen(name) > 22 ? name[1:8] . "…" : name

# The legend of several panels, in a strip of its own: "eval legend(bottom, top)", then plot points at NaN with titles.
legend(bottom, top) = frame(0.1, width - 0.1, bottom, top) . "; unset border; unset tics; unset xlabel; unset ylabel; unset for [i = 1:99] label i; unset logscale; " . \
    "set xrange [0 : 1]; set yrange [0 : 1]; unset object; set key center center horizontal Left reverse samplen 1.5 width 2"
