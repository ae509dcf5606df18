#!/bin/sh
# What commands write: folders that are missing are made, an old file is replaced by a whole one (sim/cli.h), and where
# the command fails there is neither.
#
#     sh tests/outputs.sh BUILD_FOLDER
set -u
cd "$(dirname "$0")/.."
. tests/rapp_sample.sh
hassim=$(cd "$1" && pwd)/hassim
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0

complain() {
    bad=$((bad + 1))
    echo "hassim $words: $*" >&2
    sed 's/^/    /' log >&2
}

# writes FILE WORD...: in folders that are missing, and again in place of an old file
writes() {
    file=$1
    shift
    words=$*
    for time in first second; do
        "$hassim" "$@" >log 2>&1 || complain "found exit code $?, expected 0 the $time time"
        [ -s "$file" ] || complain "found no $file the $time time"
        grep -q 'an old one' "$file" && complain "found what was there before"
        find . -name '*.part' -o -name '*.tmp' | grep . >log && complain "found a part left behind"
        [ $time = first ] && cp "$file" whole && echo 'an old one' >"$file"
    done
    cmp -s whole "$file" || complain "found another file the second time"
}

# keeps CODE FILE WORD...: what is there stays, to the byte
keeps() {
    code=$1
    file=$2
    shift 2
    words=$*
    cp "$file" before
    "$hassim" "$@" >log 2>&1
    found=$?
    [ $found -eq "$code" ] || complain "found exit code $found, expected $code"
    cmp -s before "$file" || complain "$file has changed"
}

# spares FILE WORD...: an output that is an input is refused in a line that says so, and nothing is left beside it
spares() {
    keeps 2 "$@"
    [ "$(wc -l <log)" -eq 1 ] && grep -q 'found the input .*expected an output that replaces no input' log ||
        complain "found another message"
    find . -name '*.part' -o -name '*.tmp' | grep . >log && complain "found a part left behind"
}

# fails FOLDER WORD...: bad input leaves no folder
fails() {
    folder=$1
    shift
    words=$*
    "$hassim" "$@" >log 2>&1 && complain "found exit code 0"
    [ -e "$folder" ] && complain "found $folder"
}

cat >config.json <<'END'
{"name": "c", "duration_s": 20, "seeds": 1, "cluster": {"gpus": [{"device": "v100-16gb"}]},
 "functions": [{"name": "f", "model": "resnet50", "trace": {"mean_rps": 5}}], "policies": [{"name": "has"}]}
END
for cell in 1,50,50,21 1,50,100,14 1,100,50,20 1,100,100,9 4,50,50,60 4,50,100,41 4,100,50,39 4,100,100,22; do
    echo "resnet50,$cell"
done | sed '1i\
model,batch,sm_pct,quota_pct,latency_ms' >latency.csv
mkdir data
cp latency.csv data
rapp_sample
printf 'time_s,function\n1,a\n2,b\n' >trace.csv
echo nonsense >bad.csv

writes a/b/t.packed trace import trace.csv -o a/b/t.packed
writes c/d/t.packed trace sample trace.csv -n 1 -o c/d/t.packed
writes e/f/invocations.csv trace generate --functions 3 --minutes 2 -o e/f
"$hassim" trace generate --functions 3 --minutes 2 -o e/f | grep -q '^asked: ' || complain 'says not why the rate is not that asked for'
writes g/h/m.csv calib import --format plain latency.csv -o g/h/m.csv
writes i/j/d.json calib fit latency.csv -o i/j/d.json
writes k/l/m.json rapp train --data data --kind table -o k/l/m.json

# what lies outside of the measured is called so: by the data's points (batch 1 to 4), by a GPU's calibration, or not at all
words='rapp predict'
"$hassim" rapp predict k/l/m.json --data data --model resnet50 --batch 4 --sm 50 --quota 50 >log 2>&1 || complain 'fails'
grep -q extrapolated log && complain 'calls what was measured extrapolated'
"$hassim" rapp predict k/l/m.json --data data --model resnet50 --batch 8 >log 2>&1 || complain 'fails'
grep -q '^extrapolated: resnet50 was measured at batch 1 to 4, SM 50 to 100 %, quota 50 to 100 %' log || complain 'does not say extrapolated'
"$hassim" rapp predict k/l/m.json --model resnet50 --json >log 2>&1 && grep -q '"extrapolated": null' log || complain 'knows what nobody told'
"$hassim" rapp train --data data --kind table -o named.json --device v100-16gb >log 2>&1 || complain 'is not trained'
"$hassim" rapp predict named.json --model resnet50 --sm 1 --json >log 2>&1 && grep -q '"extrapolated": true' log || complain 'does not say extrapolated'
"$hassim" rapp predict named.json --model resnet50 --sm 50 --json >log 2>&1 && grep -q '"extrapolated": false' log || complain 'says extrapolated'

# stopped in the midst of it: nothing but the folder (a shell's background job ignores SIGINT, but not SIGTERM)
words='trace generate, stopped'
"$hassim" trace generate --functions 20000 --minutes 2880 -o v/w >log 2>&1 &
job=$!
i=0
while [ $i -lt 100 ] && ! [ -s v/w/.invocations.csv.part ]; do
    sleep 0.05
    i=$((i + 1))
done
[ -s v/w/.invocations.csv.part ] || complain 'has not begun after 5 s'
kill -TERM $job
{ wait $job; } 2>/dev/null
found=$?
[ $found -eq 143 ] || complain "found exit code $found, expected 143"
[ -z "$(ls -A v/w)" ] || complain "found $(ls -A v/w) left behind"

# no room for all of it: a line that says so, and no part of a file
for command in "trace generate --functions 2000 --minutes 2000 -o full" "run config.json -o full.db"; do
    words="$command, with room for 10 kB"
    (ulimit -f 20 && "$hassim" $command) >log 2>&1
    found=$?
    [ $found -eq 1 ] || [ $found -eq 2 ] || complain "found exit code $found, expected 1 or 2"
    [ "$(grep -c '^hassim' log)" -eq 1 ] || complain "expected one line of hassim"
    find . -name '*.part' -o -name '*.tmp' -o -name '*-journal' | grep . >log && complain "found a part left behind"
done

# results and policies are somebody's work
"$hassim" run config.json -o m/n/r.db >log 2>&1 || { words=run; complain 'does not run'; }
keeps 2 m/n/r.db run config.json -o m/n/r.db
for time in first second third; do # each --force keeps what was there
    cp m/n/r.db was.$time
    "$hassim" run config.json --force --set seeds=2 -o m/n/r.db >log 2>&1 || complain "fails the $time time"
    grep -q '^old results: m/n/r.db~' log || complain 'does not say where the old results are'
done
cmp -s was.first m/n/r.db~ && cmp -s was.second m/n/r.db~2 && cmp -s was.third m/n/r.db~3 || complain 'results are lost'
echo 'int main(void);' >mine.c
for option in --force --check-only; do
    keeps 2 mine.c run config.json -o mine.c $option
    grep -q 'mine.c: found a file that is no database, expected a results database' log || complain 'says something else'
done
keeps 2 mine.c run config.json -o mine.c --resume
keeps 2 mine.c run config.json -o mine.c
grep -q 'found a file that is no database' log || complain 'says something else'
keeps 2 config.json run config.json -o config.json --force
cp was.first foreign.db # its application_id, at byte 68
printf '\0\0\0\0' | dd of=foreign.db bs=1 seek=68 conv=notrunc 2>/dev/null
keeps 2 foreign.db run config.json -o foreign.db --force
grep -q 'found a SQLite database of another program' log || complain 'says something else'
"$hassim" policy new mine -o o/p >log 2>&1 || { words=policy; complain 'is not made'; }
keeps 2 o/p/mine.c policy new mine -o o/p

if command -v gnuplot >/dev/null; then
    writes q/r/timeline.svg figures m/n/r.db --only timeline --format svg --out q/r
    writes s/t/devices.svg calib figure --format svg --out s/t
fi

# an output is no input, whatever it is called
ln -s trace.csv symbolic.csv
ln trace.csv hard.csv
for output in trace.csv ./trace.csv data/../trace.csv symbolic.csv hard.csv; do
    spares trace.csv trace import trace.csv -o $output
    spares trace.csv trace sample trace.csv -n 1 -o $output
done
spares e/f/invocations.csv trace import e/f/invocations.csv -o e/f/invocations.csv
spares e/f/durations.csv trace import e/f/invocations.csv -o e/f/durations.csv
spares e/f/memory.csv trace sample -f invitro e/f -n 1 -o e/f/memory.csv
cp trace.csv t.part
words='trace import t.part'
"$hassim" trace import t.part -o t >log 2>&1 && complain 'found exit code 0'
cmp -s trace.csv t.part || complain 't.part has changed'
rm t.part
cp latency.csv second.csv
spares second.csv calib import -f plain latency.csv second.csv -o second.csv
spares latency.csv calib fit latency.csv -o latency.csv
echo '{}' >facts.json
spares facts.json calib fit latency.csv --facts facts.json -o facts.json
for name in latency graphs operators; do
    spares data/$name.csv rapp train --data data --kind table -o data/$name.csv
done
cp i/j/d.json devices.tsv
spares devices.tsv calib figure ./devices.tsv -o .
cp m/n/r.db timeline.tsv
spares timeline.tsv figures timeline.tsv --only timeline -o .

# a function that serves and one that nobody calls: every figure that has data is drawn
cat >few.json <<'EOF'
{"name": "few", "duration_s": 60, "seeds": 2, "cluster": {"gpus": [{"device": "v100-16gb", "nodes": 2}]},
 "functions": [{"name": "a", "model": "resnet50", "trace": {"shape": "steady", "mean_rps": 5}},
               {"name": "b", "model": "resnet50", "trace": {"shape": "steady", "mean_rps": 1e-9}}],
 "policies": [{"name": "has"}, {"name": "kserve"}], "grid": {"slo_multiplier": [2, 4]}}
EOF
words="figures few.db"
"$hassim" run few.json -o few.db >log 2>&1 || complain "found exit code $?, expected 0 of the run before it"
"$hassim" figures few.db --out few >log 2>&1 || complain "found exit code $?, expected 0"
for name in cost_violation tail_latency timeline violation_slo; do
    [ -s few/$name.png ] || complain "found no few/$name.png"
done

fails u trace import bad.csv -o u/t.packed
fails u trace sample bad.csv -n 1 -o u/t.packed
fails u trace sample trace.csv -n 9 -o u/t.packed
fails u trace generate --functions 0 -o u
fails u calib import --format plain bad.csv -o u/m.csv
fails u calib fit bad.csv -o u/d.json
fails u rapp train --data . -o u/m.json
fails u run bad.csv -o u/r.db
fails u figures bad.csv --out u
fails u validate . --fit u/p.json
fails u validate . --figures u

[ $bad -eq 0 ] || exit 1
echo "outputs: as they should be"
