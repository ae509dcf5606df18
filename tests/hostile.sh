#!/bin/sh
# Hostile and mistaken input: configs, prices, calibrations, traces, databases, plug-ins, command lines. Each case
# must end with exit code 2 and one line on stderr that names the place, what was found and what was expected;
# print nothing, change no file, and be over soon.
#
#     sh tests/hostile.sh BUILD_FOLDER [-v]        -v: print every message
set -u
cd "$(dirname "$0")/.."
. tests/rapp_sample.sh
root=$(pwd)
hassim=$(cd "$1" && pwd)/hassim
verbose=${2:-}
work=$(mktemp -d)
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
mkdir "$work/in"
cd "$work/in" || exit 1
limit_s=20
cases=0
bad=0

listing() {
    ls -lR . && find . -type f -exec cksum {} +
}

complain() {
    bad=$((bad + 1))
    echo "case $cases, hassim $words: $*" >&2
    sed 's/^/    /' "$work/err" >&2
}

# is_text FILE: printable ASCII, or UTF-8 without control characters: nothing that a terminal obeys
is_text() {
    LC_ALL=C grep -q '[^ -~]' "$1" || return 0
    LC_ALL=C grep -q "$(printf '[[:cntrl:]]\\|\302[\200-\237]')" "$1" && return 1
    iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1
}

# refuse FRAGMENT WORD...: `hassim WORD...` is refused with a line that holds the fragment
refuse() {
    fragment=$1
    shift
    words=$*
    cases=$((cases + 1))
    listing >"$work/before" 2>/dev/null
    timeout $limit_s "$hassim" "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    listing >"$work/after" 2>/dev/null
    line=$(cat "$work/err")
    [ "$verbose" = -v ] && echo "$line"
    [ $code -eq 2 ] || complain "found exit code $code, expected 2"
    [ "$(wc -l <"$work/err")" -eq 1 ] || complain "expected one line on stderr"
    [ -s "$work/out" ] && complain "expected nothing on stdout"
    is_text "$work/err" || complain "expected text, found $(od -An -c "$work/err" | tr -d '\n')"
    case $line in
    "hassim"*"$fragment"*) ;;
    *) complain "expected \"$fragment\"" ;;
    esac
    case $line in
    *"expected "*) ;;
    *) complain "expected to hear what was expected" ;;
    esac
    cmp -s "$work/before" "$work/after" || complain "files changed: $(diff "$work/before" "$work/after")"
}

# ---- tables: each line is a case of one kind ----

# config FRAGMENT PATH=VALUE: a valid config with one override
config() {
    refuse "$1" run good.json --set "$2"
}

# json FRAGMENT TEXT: a config of that text (printf's escapes)
json() {
    printf "$2" >bad.json
    refuse "bad.json$1" run bad.json
}

# prices FRAGMENT TEXT
prices() {
    printf "$2" >prices.json
    refuse "prices.json$1" run good.json --set prices=prices.json
}

# calib FRAGMENT SED-EXPRESSION: the shipped calibration, changed
calib() {
    sed "$2" "$root/calib/data/v100.json" >device.json
    refuse "device.json$1" calib check device.json
}

# facts FRAGMENT SED-EXPRESSION: the shipped facts, changed
facts() {
    sed "$2" "$root/calib/data/v100_facts.json" >facts.json
    refuse "facts.json$1" calib fit good.csv -o made.json --facts facts.json
}

# latencies FRAGMENT TEXT: measurements for calib fit
latencies() {
    printf "$2" >latency.csv
    refuse "latency.csv$1" calib fit latency.csv -o made.json
}

# import FRAGMENT FORMAT TEXT: measurements for calib import
import() {
    printf "$3" >net.csv
    refuse "net.csv$1" calib import --format "$2" net.csv -o made.csv
}

# rapp FRAGMENT FILE TEXT: one file of a data folder, the others being good
rapp() {
    cp -r data bad_data
    printf "$3" >"bad_data/$2"
    refuse "bad_data/$2$1" rapp train --data bad_data -o made.json
    rm -r bad_data
}

# model FRAGMENT SED-EXPRESSION: a trained model, changed
model() {
    sed "$2" model.json >bad_model.json
    refuse "bad_model.json$1" rapp eval bad_model.json --data data
}

# trace FRAGMENT FORMAT TEXT
trace() {
    printf "$3" >trace.csv
    refuse "trace.csv$1" trace info --format "$2" trace.csv
}

# database FRAGMENT: what lies in bad.db, read by both readers and by --resume
database() {
    refuse "bad.db: $1" compare bad.db
    refuse "bad.db: $1" figures bad.db
    refuse "bad.db: $1" run good.json -o bad.db --resume
}

# ---- what is good, so that each case has one fault ----

cat >good.json <<'END'
{"name": "good", "duration_s": 20, "seeds": 1,
 "cluster": {"gpus": [{"device": "v100-16gb", "nodes": 2}]},
 "functions": [{"name": "f", "model": "resnet50", "trace": {"mean_rps": 5}}],
 "policies": [{"name": "has"}, {"name": "kserve"}]}
END
for cell in 1,50,50,21 1,50,100,14 1,100,50,20 1,100,100,9 4,50,50,60 4,50,100,41 4,100,50,39 4,100,100,22; do
    echo "resnet50,$cell"
done | sed '1i\
model,batch,sm_pct,quota_pct,latency_ms' >good.csv
"$hassim" run good.json -o good.db >"$work/out" 2>&1 && [ -f good.db ] || {
    echo "the valid config does not run:" >&2
    cat "$work/out" >&2
    exit 1
}
mkdir data
cp good.csv data/latency.csv
rapp_sample
"$hassim" rapp train --data data --kind table -o model.json >"$work/out" 2>&1 || {
    echo "the valid data do not train:" >&2
    cat "$work/out" >&2
    exit 1
}
mkfifo fifo
mkdir folder
: >empty
head -c 3000 "$hassim" >binary

# ---- command lines ----

refuse 'found no command'
refuse 'found "runn", expected a command; the nearest is run' runn
refuse 'found "?[2J"' "$(printf '\033[2J')"
refuse 'found ""' ''
refuse 'found "--hel", expected a command' --hel
refuse 'found no config' run
refuse "found 'b.json', expected one config" run a.json b.json
refuse 'the unknown option --resme, expected --resume' run --resme good.json
refuse 'the unknown option --zzzzzz' run --zzzzzz good.json
refuse 'the unknown option --re?sume' run "$(printf -- '--re\nsume')" good.json
refuse 'found --s, which several options begin with' run --s 3 good.json
refuse 'the unknown option -z' run -z good.json
refuse '--json: found a value' run --json=yes good.json
refuse '--seeds: found no value' run good.json --seeds
refuse '-o: found no value' run good.json -o
refuse "--seeds: found '0'" run --seeds 0 good.json
refuse "--seeds: found '-1'" run --seeds=-1 good.json
refuse "--seeds: found '99999999999999999999999'" run --seeds 99999999999999999999999 good.json
refuse "--seeds: found '3x'" run --seeds 3x good.json
refuse "-j: found '1025'" run -j 1025 good.json
refuse "-j: found ' 2'" run -j ' 2' good.json
refuse "--timeout: found 'nan'" run --timeout nan good.json
refuse "--timeout: found '1e999'" run --timeout 1e999 good.json
refuse "--timeout: found '0'" run --timeout 0 good.json
refuse "--progress: found 'perhaps'" run --progress perhaps good.json
refuse "--fail-on: found 'saturatoin', expected any or some of saturation" run --fail-on saturatoin good.json
refuse "--fail-on: found ''" run --fail-on '' good.json
refuse 'both --resume and --force' run --resume --force good.json
refuse '--output: found an empty name' run -o '' good.json
refuse '--only: found "hass"' run --only hass good.json
refuse 'good.db: found existing results' run good.json -o good.db
refuse 'folder: found something that is no file' run good.json -o folder
refuse 'fifo: found something that is no file' run good.json -o fifo
refuse 'fifo: found' run good.json -o fifo --force
refuse 'good.json: found a file that is no database' run good.json -o good.json --force
refuse 'good.json/r.db: found Not a directory' run good.json -o good.json/r.db
refuse 'good.json/r.db: found Not a directory' run good.json -o good.json/r.db --resume
refuse 'good.json: found Not a directory' calib fit good.csv -o good.json/d.json
refuse '--set: found "seeds", expected PATH=VALUE' run good.json --set seeds
refuse '--set:1:3: found byte 0xff' run good.json --set "$(printf 'question=a\377b')"
refuse 'found no database' compare
refuse "found 'b.db', expected one database" compare a.db b.db
refuse "good.db: no policy 'hass'; expected one of: has, kserve" compare good.db --baseline hass
refuse 'the unknown option --baslin, expected --baseline' compare good.db --baslin has
refuse 'found no database' figures
refuse "--format: found 'gif'" figures good.db --format gif
refuse "--format: found ''" figures good.db --format ''
refuse "no figure 'nothing'; expected one of: " figures good.db --only nothing
refuse 'found no command' trace
refuse "found 'inf'" trace inf
refuse 'found no trace file' trace info
refuse '"azure2020" is unknown, expected one of: azure2019' trace info --format azure2020 good.csv
refuse 'found no directory' trace generate
refuse "--minutes: found '-1'" trace generate -o made --minutes -1
refuse '--minutes: found 0, expected' trace generate -o made --minutes 0
refuse '--minutes: found 4294967295' trace generate -o made --minutes 4294967295
refuse '--functions: found 4000000000' trace generate -o made --functions 4000000000
refuse '--mean-rps: found nan' trace generate -o made --mean-rps nan
refuse '--mean-rps: found 1e+300' trace generate -o made --mean-rps 1e300
refuse '--mean-rps: found -1' trace generate -o made --mean-rps=-1
refuse "--mix: found '1,2,3'" trace generate -o made --mix 1,2,3
refuse '--mix: found 0 for all kinds' trace generate -o made --mix 0,0,0,0
refuse '--mix: found steady inf' trace generate -o made --mix inf,1,1,1
refuse "--seed: found '18446744073709551616'" trace generate -o made --seed 18446744073709551616
refuse 'good.csv: found Not a directory' trace generate -o good.csv
refuse 'found no command' calib
refuse "found 'fitt'" calib fitt
refuse "found 'b.json', expected one file" calib check a.json b.json
refuse 'found "resnet51"' calib info --model resnet51
refuse 'found no measurements' calib fit
refuse 'found no output' calib fit good.csv
refuse 'found no layout, expected --format' calib import good.csv -o made.csv
refuse "--format: found 'rap', expected one of plain, rapp, parvagpu, gpu-percent, trace" calib import --format rap good.csv -o made.csv
refuse 'found no output' calib import --format plain good.csv
refuse 'found no measurements' calib import --format plain -o made.csv
refuse "--rename: found 'resnet50', expected OLD=NEW" calib import --format plain good.csv -o made.csv --rename resnet50
refuse "--rename: found 'a=b/c', expected OLD=NEW" calib import --format plain good.csv -o made.csv --rename a=b/c
refuse "--rename: found 'vgg=vgg16', expected a model of these" calib import --format plain good.csv -o made.csv -r vgg=vgg16
refuse 'good.json: found Not a directory' calib import --format plain good.csv -o good.json/m.csv
refuse "--batch: found '33'" calib figure --batch 33
refuse "--format: found 'gif'" calib figure --format gif
refuse "--points: found 'good.csv', expected DEVICE=FILE.csv" calib figure --points good.csv
refuse "--points: found 'v200=good.csv', expected one of the devices" calib figure --points v200=good.csv
refuse 'missing.csv: found No such file' calib figure --points v100-16gb=missing.csv
refuse 'good.json: name: unknown key' calib figure good.json
refuse 'good.csv/figures: found Not a directory' calib figure --out good.csv/figures
refuse 'found no command' rapp
refuse "found 'trian'" rapp trian
refuse 'found no data' rapp train -o made.json
refuse 'found no output' rapp train --data data
refuse "found 'x', expected options only" rapp train x
refuse "--kind: found 'oracle', expected one of" rapp train --data data --kind oracle -o made.json
refuse "--threads: found '0'" rapp train --data data -o made.json --threads 0
refuse "--seed: found '-1'" rapp train --data data -o made.json --seed=-1
refuse "--device: found 'v 100'" rapp train --data data -o made.json --device 'v 100'
refuse 'folder: found something that is no file' rapp train --data data --kind roofline -o folder
refuse 'fifo: found something that is no file' rapp train --data data --kind roofline -o fifo
refuse 'good.json: found Not a directory' rapp train --data data --kind roofline -o good.json/m.json
refuse 'found no model file' rapp eval --data data
refuse 'found no data' rapp eval model.json
refuse "found 'b.json', expected one model file" rapp eval a.json b.json
refuse "--by: found 'fold'" rapp cv --data data --by fold
refuse "--folds: found '1'" rapp cv --data data --folds 1
refuse 'found no DNN' rapp predict model.json
refuse 'found "resnet51"' rapp predict model.json --model resnet51
refuse "--batch: found '33'" rapp predict model.json --model resnet50 --batch 33
refuse "--sm: found '101'" rapp predict model.json --model resnet50 --sm 101
refuse "--quota: found '0'" rapp predict model.json --model resnet50 --quota 0
refuse 'found no command' policy
refuse "found 'lists'" policy lists
refuse "found 'hass'" policy list hass
refuse 'found no name' policy new
refuse 'found "Mine"' policy new Mine
refuse 'found "../x"' policy new ../x
refuse 'found "has"' policy new has
refuse 'good.json: found Not a directory' policy new mine -o good.json
: >taken.c
refuse 'taken.c: found a file of that name' policy new taken
refuse 'found no policy' policy test
refuse 'found "hass"' policy test hass
refuse "--configs: found '0'" policy test has --configs 0
refuse "--show: found 'x'" policy test has --show x
refuse 'found no command, expected replay, day, queue, policy or trace' bench
refuse "found 'speed'" bench speed
refuse "--functions: found '0'" bench replay --functions 0
refuse "--days: found '0.5'" bench day --days 0.5
refuse 'found both --days and --minutes' bench day --days 1 --minutes 1
refuse 'nowhere/trace: found No such file' bench day --minutes 1 --trace nowhere/trace
refuse "--requests: found '1e6'" bench queue --requests 1e6
refuse "--policy: found 'hass'" bench policy --policy hass
refuse "--threads: found '1e3'" bench replay --threads 1e3
refuse "--policy: found 'hass'" bench replay --policy hass
refuse 'engine: found' bench replay --engine fast

# ---- plug-ins ----

refuse 'missing.so: found No such file' run good.json --plugin missing.so
refuse 'empty: found a file that is no ELF object' run good.json --plugin empty
refuse 'binary: found a file that is cut off' run good.json --plugin binary
refuse 'fifo: found no regular file' run good.json --plugin fifo
refuse 'folder: found a directory' policy list --plugin folder
refuse 'good.json: found a file that is no ELF object' policy test ./good.json

# ---- configs: files and texts ----

refuse 'missing.json: found No such file' run missing.json
refuse 'folder: found a directory' run folder
refuse 'fifo: found no regular file' run fifo
refuse '/dev/zero: found no regular file' run /dev/zero
refuse 'good.json/x: found Not a directory' run good.json/x
refuse 'in?one: found No such file' run "$(printf 'in\none')"
refuse 'good.db:1:16: found byte 0x00' run good.db
json ':1:1: found the end of the text' ''
json ':1:4: found byte 0x00' '{"a\000": 1}'
json ':1:7: found byte 0xc3, expected UTF-8' '{"a":"\303("}'
json ':1:6: found "N"' '{"a":NaN}'
json ':1:6: found "I"' '{"a":Infinity}'
json ':1:6: found "-"' '{"a":-}'
json ':1:8: found "}"' '{"a":1,}'
json ':2:6: found' '{\n"a":1\n'
json ':1:9: found more text' '{"a":1} x'
json ':1:7: found \u0000' '{"a":"\\u0000"}'
json ':1:1: found "/"' '// comment\n{}'
json ': name: missing' '{}'
json ': found an array, expected an object' '[]'
json ': found the key "name" twice' '{"name":"a","name":"b"}'
head -c 1000000 /dev/zero | tr '\0' '[' >bad.json
refuse 'bad.json:1:33: found objects or arrays nested' run bad.json
head -c 17000000 /dev/zero | tr '\0' ' ' >bad.json
refuse 'bad.json: found a larger one' run bad.json
rm bad.json
head -c 200 good.json >bad.json
refuse 'bad.json:4:' run bad.json
{ printf '{"name":"'; head -c 100000 /dev/zero | tr '\0' x; printf '"}'; } >bad.json
refuse 'bad.json: name: found the string "xxx' run bad.json

# ---- configs: meaning ----

config 'good.json: duration_s: found inf' duration_s=1e999
config 'good.json: duration_s: found -1' duration_s=-1
config 'good.json: duration_s: found the string "long"' duration_s=long
config 'good.json: found the unknown key "durations_s", expected "duration_s"' durations_s=1
config 'good.json: warmup_s: found no less than duration_s' warmup_s=20
config 'good.json: seeds: found the same seed twice' seeds=[1,1]
config 'good.json: seeds[0]: found' seeds=[18446744073709551616]
config 'good.json: name: found the string "../x"' name=../x
config 'good.json: model_error: found -1' model_error=-1
config 'good.json: model_error: found 1e+300' model_error=1e300
config 'good.json: policies[0].predictor: found an array' 'policies.has.predictor=[]'
config 'good.json: policies[0].predictor.name: found the string "?[2J"' 'policies.has.predictor={"name": "\u001b[2J"}'
config 'good.json: policies[0].predictor: found "gat", expected {"name": "gat", "model": FILE}' policies.has.predictor=gat
predict() { # FRAGMENT MODEL-FILE
    config "$1" "policies.has.predictor={\"name\": \"table\", \"model\": \"$2\"}"
}
predict 'good.json: policies[0].predictor.model: found "missing.json": No such file' missing.json
predict 'good.json: policies[0].predictor.model: found "fifo": no regular file' fifo
predict 'good.json: policies[0].predictor.model: found "folder": a directory' folder
predict 'good.json: format: missing, expected "hassim-rapp-3"' good.json
predict 'empty:1:1: found the end of the text' empty
predict 'binary' binary
config 'good.json: policies[0].predictor.name: found "gat" for model.json, expected "table"' \
    'policies.has.predictor={"name": "gat", "model": "model.json"}'
config 'folder/latency.csv: found No such file' \
    'policies.has.predictor={"name": "table", "model": "model.json", "priors": "folder"}'
config 'good.json: policies[0].predictor.priors: found "good.csv": no directory' \
    'policies.has.predictor={"name": "table", "model": "model.json", "priors": "good.csv"}'
config 'good.json: cluster.gpus[0].nodes: found 1.5' cluster.gpus[0].nodes=1.5
config 'good.json: cluster.gpus[0].nodes: found 1e+300' cluster.gpus[0].nodes=1e300
config 'good.json: cluster.gpus[0].device: found' cluster.gpus[0].device=h100
config 'good.json: slo_device: found' slo_device=h100
config 'good.json: functions[0].model: found the model "resnet51"' functions.f.model=resnet51
config 'good.json: functions[0].memory_mib: found 1048576 MiB' functions.f.memory_mib=1048576
config 'good.json: functions[0].trace.mean_rps: found 0' functions.f.trace.mean_rps=0
config 'good.json: functions: found none' functions=[]
config 'good.json: policies[0].name: found "hass"' policies.has.name=hass
config 'good.json: policies[0].params.min_pods: found 1.5' policies.has.params.min_pods=1.5
config 'good.json: policies[0].params: found values that do not go together' \
    'policies.has.params={"scale_up_threshold": 0.2, "scale_down_threshold": 0.8}'
config 'good.json: policies[0].params: found values that do not go together' \
    'policies.has.params={"vertical": "off", "horizontal": "off"}'
config 'good.json: policies[1].params: found values that do not go together' policies.kserve.metrics.scrape_s=3600
config 'good.json: policies[0].params: found values that do not go together' \
    'grid={"policies.has.params.scale_up_threshold": [0.9, 0.05]}'
config 'good.json: grid."slo_multiplier": found an empty array' 'grid={"slo_multiplier": []}'
config "good.json: grid: found policies' names or labels that vary" 'grid={"policies.has.label": ["a", "b"]}'
config 'good.json: prices: found "missing.json": No such file' prices=missing.json
config 'good.json: prices: found "folder/": a directory' prices=folder/
config 'prices: found no price of provider "gcpp"' prices=gcpp

# ---- prices ----

dated='"source": "s", "date": "2024-12"'
price="\"usd_per_gpu_hour\": 2, $dated"
prices ':1:1: found the end of the text' ''
prices ': found an array, expected an object' '[]'
prices ': prices: found an array' '{"version": "1", "prices": []}'
prices ': prices: found an object' '{"version": "1", "prices": {}}'
prices ': prices[0].device: missing' '{"version": "1", "prices": [{"provider": "p"}]}'
prices ': prices[0].device: found 3' "{\"version\": \"1\", \"prices\": [{\"provider\": \"p\", \"device\": 3, $price}]}"
prices ': prices[0].usd_per_gpu_hour: found -1' "{\"version\": \"1\", \"prices\":
    [{\"provider\": \"p\", \"device\": \"v100-16gb\", \"usd_per_gpu_hour\": -1, $dated}]}"
prices ': prices[0].usd_per_gpu_hour: found inf' "{\"version\": \"1\", \"prices\":
    [{\"provider\": \"p\", \"device\": \"v100-16gb\", \"usd_per_gpu_hour\": 1e999, $dated}]}"
printf "{\"version\": \"1\", \"prices\": [{\"provider\": \"p\", \"device\": \"a100\", $price}]}" >prices.json
refuse 'good.json: prices: found no price of the device "v100-16gb"' run good.json --set prices=prices.json
refuse 'prices.json: prices: found no price of provider "q"' run good.json --set prices=prices.json#q
prices ': prices[1]: found this provider and device again' "{\"version\": \"1\", \"prices\": [{\"provider\": \"p\", \"device\": \"a\", $price},
    {\"provider\": \"p\", \"device\": \"a\", $price}]}"
refuse 'good.json: prices: found "./fifo": no regular file' run good.json --set prices=./fifo

# ---- calibrations ----

refuse 'missing.json: found No such file' calib info missing.json
refuse 'found "v100", expected a calibrated device (a100-80gb, gh200, v100-16gb) or a calibration file' calib info v100
refuse 'folder/v100-16gb: found No such file' calib check folder/v100-16gb
refuse 'found "?[2J", expected a calibrated device' calib info "$(printf '\033[2J')"
refuse 'found "h100", expected a calibrated device' calib figure h100
refuse 'folder: found a directory' calib check folder
refuse 'fifo: found a device or pipe' calib check fifo
refuse 'empty:1:1: found the end of the text' calib check empty
refuse 'good.json: name: unknown key' calib check good.json
refuse 'good.db:1:1: found "SQLite format 3"' calib check good.db
calib ': format: found "hassim-calib-9", expected "hassim-calib-1"' 's/hassim-calib-1/hassim-calib-9/'
calib ': device.sm_count: found 0, expected a number from 1' 's/"sm_count":.*80,/"sm_count": 0,/'
calib ': device.memory_mib: found 1e+300' 's/"memory_mib":.*16384,/"memory_mib": 1e300,/'
calib ': device.max_processes: found "48"' 's/"max_processes":.*48,/"max_processes": "48",/'
calib ': device.sm_resizable: found 0, expected true or false' 's/"sm_resizable":.*false,/"sm_resizable": 0,/'
calib ': device.cold_start.load_mib_per_s: found 0' 's/"load_mib_per_s":.*330,/"load_mib_per_s": 0,/'
calib ': device.sm_cuont: unknown key' 's/"sm_count"/"sm_cuont"/'
calib ':7:15: found "NaN' 's/"sm_count":.*80,/"sm_count": NaN,/'
calib ':20:1: found the end of the text' '20,$d'
refuse 'device.json:20:1: found the end of the text' run good.json --set cluster.gpus[0].device=./device.json
facts ': format: found "hassim-facts-9"' 's/hassim-facts-1/hassim-facts-9/'
facts ' (merged with the fit): device.sm_count: found -80' 's/"sm_count": 80/"sm_count": -80/'
facts ':9:1: found the end of the text' '9,$d'
refuse 'missing.json: found No such file' calib fit good.csv -o made.json --facts missing.json
refuse 'missing.csv: found No such file' calib fit missing.csv -o made.json
refuse 'fifo: found a device or pipe' calib fit fifo -o made.json
refuse 'folder: found a directory' calib fit folder -o made.json
refuse 'fifo: found something that is no file' calib fit good.csv -o fifo
refuse 'fifo: found something that is no file' calib import --format plain good.csv -o fifo
head='model,batch,sm_pct,quota_pct,latency_ms\n'
calib ': models.alexnet.uncertainty.cells: found 0, expected a number from 1' 's/"cells":.*80,/"cells": 0,/'
calib ': models.alexnet.uncertainty.gpu_residual_pct: found -1' 's/"gpu_residual_pct":.*,/"gpu_residual_pct": -1,/'
latencies ':0: file: found "no rows"' ''
latencies ':1: header: found "model", expected sm_pct' 'model,batch\n'
latencies ': found no rows, expected measurements' "$head"
latencies ':2: row: found "resnet50"' "${head}resnet50,1,100,100\n"
latencies ':2: batch: found "0"' "${head}resnet50,0,100,100,5\n"
latencies ':2: sm_pct: found "101"' "${head}resnet50,1,101,100,5\n"
latencies ':2: latency_ms: found "nan"' "${head}resnet50,1,100,100,nan\n"
latencies ':2: latency_ms: found "-5"' "${head}resnet50,1,100,100,-5\n"
latencies ':1: note: found "# licence: a?[2Jb", expected no control' "# licence: a\033[2Jb\n${head}resnet50,1,100,100,5\n"
latencies ': found no row of one process' 'model,batch,sm_pct,latency_ms,processes\nresnet50,1,100,5,2\n'
parva='Mig instance,Batch size,Workload Number,Throughput,Latency\n'
import ':1: header: found "model", expected Mig instance' parvagpu "$head"
import ': found no rows, expected measurements' parvagpu "$parva"
import ': found no row with a latency' parvagpu "${parva}7,1,1,0,0\n"
import ':2: Mig instance: found "8"' parvagpu "${parva}8,1,1,10,0.1\n"
import ':3: Latency: found "0.2", expected batch / throughput' parvagpu "${parva}7,1,1,10,0.1\n7,1,1,10,0.2\n"
import ':2: Throughput: found "nan"' parvagpu "${parva}7,1,1,nan,0.1\n"
import ':1: header: found "model", expected nr_input_tokens' gpu-percent "$head"
import ':2: sm_pct: found "0"' rapp "${head}resnet50,1,0,100,5\n"
import ':2: line: found "7,1,' parvagpu "${parva}7,1,\0001,10,0.1\n"
import ':1:1: found "model,batch' trace "$head"
import ': format: found "hassim-measured-9"' trace '{"format": "hassim-measured-9"}'
refuse 'fifo: found a device or pipe' calib import --format plain fifo -o made.csv
latencies ':2: line: found "res"' "${head}res\000net,1,100,100,5\n"

# ---- predictors: data and models ----

refuse 'missing/latency.csv: found No such file' rapp train --data missing -o made.json
rapp ':0: file: found "no rows"' graphs.csv ''
rapp ':2: row: found "resnet50"' latency.csv "${head}resnet50,1,100,100\n"
rapp ':2: batch: found "33"' latency.csv "${head}resnet50,33,100,100,5\n"
rapp ':2: model: found ""' latency.csv "${head},1,100,100,5\n"
rapp ':2: line: found "res"' latency.csv "${head}res\000net,1,100,100,5\n"
rapp ':1: header: found "model", expected gmac' graphs.csv 'model\n'
rapp ':1: header: found "model", expected node' operators.csv 'model\n'
refuse 'found no points to train on' rapp cv --data data --by model --kind roofline
refuse 'missing.json: found No such file' rapp eval missing.json --data data
refuse 'fifo: found a device or pipe' rapp eval fifo --data data
refuse 'folder: found a directory' rapp predict folder --model resnet50
refuse 'empty:1:1: found the end of the text' rapp eval empty --data data
refuse 'good.json: format: missing' rapp eval good.json --data data
model ': format: found "hassim-rapp-9"' 's/hassim-rapp-3/hassim-rapp-9/'
model ': kind: found "oracle", expected one of' 's/"kind":"table"/"kind":"oracle"/'
model ': data.hash: found "zz"' 's/"hash":"[0-9a-f]*"/"hash":"zz"/'
model ': state: missing' 's/,"state":.*/}/'
model ': state: laws: missing' 's/"state":.*/"state":{}}/'
model ': state: values_ms[0]: found something else at 0' 's/"values_ms":\[\[/"values_ms":[["x",/'
model ':2:1: found the end of the text' 's/.$//'

# ---- traces ----

refuse 'missing.csv: found No such file' trace info missing.csv
refuse 'folder: found a directory, expected a regular file, such as invocations.csv' trace info folder
refuse 'fifo: found a device or pipe' trace info fifo
refuse 'empty: found an empty file' trace info empty
refuse 'good.db:1:1: found "SQLite format 3' trace info good.db
refuse 'binary:1:1: found "\x7fELF' trace info binary
trace ':1:1: found "when"' csv 'when,who\n1,a\n'
trace ':2:1: found "-1"' csv 'time_s,function\n-1,a\n'
trace ':2:1: found "nan"' csv 'time_s,function\nnan,a\n'
trace ':2:1: found "1e300"' csv 'time_s,function\n1e300,a\n'
trace ':2:2: found the end of the line' csv 'time_s,function\n1\n'
trace ':2:3: found the end of the line' csv 'time_s,function\n1,\n'
trace ':2:4: found "\x00b"' csv 'time_s,function\n1,a\000b\n'
trace ':2:3: found' csv 'time_s,function\n1,"a\n'
trace ': found no row after the header' csv 'time_s,function\n'
trace ':1:1: found "HashOwner"' azure2019 'HashOwner,HashApp,HashFunction,Trigger\n'
trace ':2:13: found the end of the line' azure2019 'HashOwner,HashApp,HashFunction,Trigger,1,2\na,b,c,http,1\n'
trace ':2:14: found "-2"' azure2019 'HashOwner,HashApp,HashFunction,Trigger,1,2\na,b,c,http,1,-2\n'
trace ':2:14: found "9999' azure2019 'HashOwner,HashApp,HashFunction,Trigger,1,2\na,b,c,http,1,99999999999999999999\n'
trace ':2:5: found "x"' azure2021 'app,func,end_timestamp,duration\na,b,x,1\n'
trace ':2:7: found "-1"' azure2021 'app,func,end_timestamp,duration\na,b,1,-1\n'
trace ':3:1: found "-2"' seconds 'requests\n1\n-2\n'
trace ':2:1: found "yesterday"' azure-llm2023 'TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n'
trace ':2:5: found "1.5"' csv 'time_s,function,size\n1,a,1.5\n'
trace ': found no durations file' invitro 'HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,http,1\n'
trace ':1:1: found "time_s,f"' packed 'time_s,function\n1,a\n'
trace ': found a damaged gzip stream' csv '\037\213\010 is how gzip begins\n'
trace ': found the end of the file inside a zstd' csv '\050\265\057\375\004'
refuse 'trace.csv: found the end' trace import trace.csv -o made.packed
printf 'time_s,function\n1,a\n2,b\n' >trace.csv
refuse 'found no output' trace import trace.csv
refuse 'found no trace file' trace import -o made.packed
refuse 'functions is 3, expected 1 to 2' trace sample trace.csv -n 3 -o made.packed
refuse 'fifo: found something that is no file' trace import trace.csv -o fifo
refuse 'good.json: found Not a directory' trace import trace.csv -o good.json/made.packed
refuse "--like: found 'google'" trace generate -o made --like google
refuse "--repeat: found '0'" bench trace --repeat 0
from='{"trace": {"format": "csv", "path": "trace.csv"}, "models": ["resnet51"]}'
config 'good.json: functions_from.models: found the model "resnet51"' "functions_from=$from"
config 'good.json: functions[0].trace.select: "rank:3": found "3"' \
    'functions.f.trace={"format": "csv", "path": "trace.csv", "select": "rank:3"}'
config 'good.json: functions[0].trace.select: found "first"' \
    'functions.f.trace={"format": "csv", "path": "trace.csv", "select": "first"}'
config 'trace.csv:1:1: found "time_s"' 'functions.f.trace={"format": "azure2019", "path": "trace.csv"}'
config 'good.json: functions[0].trace.path: found' 'functions.f.trace={"format": "csv", "path": "fifo"}'

# ---- recorded runs: more of them in unit/test_validate_data.c ----

# runs FRAGMENT FILE TEXT: a good folder of one run with that text (printf's escapes) in one of its files
runs() {
    rm -rf runs
    mkdir -p runs/one
    printf 'run,system,model,served_model,workload,requests,failed,span_s,usage,tags\n' >runs/runs.csv
    printf 'one,has,resnet,resnet50,W,1,0,0.1,yes,clean\n' >>runs/runs.csv
    printf 'workload,stage,rate_rps\nW,0,1\n' >runs/workloads.csv
    printf 'start_s,latency_ms,status\n0,80,200\n' >runs/one/requests.csv
    printf 't_s,gpu,sm_pct,quota_pct,pods\n-2,g,30,40,1\n' >runs/one/usage.csv
    [ -z "$2" ] || printf "$3" >"runs/$2"
    refuse "$1" validate runs ${4:-}
}

refuse 'found no folder, expected one' validate
refuse 'missing/workloads.csv: found No such file' validate missing
refuse 'good.json/workloads.csv: found Not a directory' validate good.json
refuse "--mode: found 'both', expected replay or policy" validate folder --mode both
refuse "--seeds: found '0', expected an integer" validate folder --seeds 0
refuse "--threads: found '-1', expected an integer" validate folder --threads=-1
refuse "--format: found 'gif', expected some of" validate folder --format gif
refuse "found 'b', expected one folder" validate a b
runs 'runs.csv:1: file: found "no rows", expected runs' runs.csv \
    'run,system,model,served_model,workload,requests,failed,span_s,usage,tags\n'
runs 'runs.csv:0: file: found "no rows"' runs.csv ''
runs 'runs.csv:1: line: found "run"' runs.csv 'run\000,system\none,has\n'
runs 'workloads.csv:2: rate_rps: found "1e9"' workloads.csv 'workload,stage,rate_rps\nW,0,1e9\n'
runs 'workloads.csv:2: stage: found "4294967296"' workloads.csv 'workload,stage,rate_rps\nW,4294967296,1\n'
runs 'requests.csv:2: latency_ms: found "-1"' one/requests.csv 'start_s,latency_ms,status\n0,-1,200\n'
runs 'runs.csv:2: requests: found "1", expected 2' one/requests.csv 'start_s,latency_ms,status\n0,1,200\n0,1,200\n'
runs 'usage.csv:2: sm_pct: found "99999999999"' one/usage.csv 't_s,gpu,sm_pct,quota_pct,pods\n0,g,99999999999,1,1\n'
runs 'found no run "two", expected one of runs.csv, such as "one"' '' '' '--run two'
runs 'requests.csv:2: row: found "0", expected as many cells' one/requests.csv 'start_s,latency_ms,status\n0,80,200,9\n'
runs 'usage.csv:0: file: found "no rows"' one/usage.csv ''
runs 'found --steps without --fit or --cv' '' '' '--steps 30'
runs 'found --searches without --fit or --cv' '' '' '--searches 3'
runs 'good.json: found Not a directory, expected' '' '' '--figures good.json'
runs 'missing.json: found No such file' '' '' '--params missing.json'

# ---- bytes that a terminal would obey, or that are no text, wherever a file's content is quoted ----

byte='\033[2J\233\377\302\2332K\001'
json '' "{\"$byte\": 1}"
json '' "$byte"
config 'functions[0].name: found the string "?[31mred", expected a string without control characters' 'functions.f.name="\u001b[31mred"'
json ': found the unknown key "?[2J' '{"\\u001b[2J\\u009b2K": 1}'
prices '' "{\"prices\": [{\"provider\": \"$byte\"}]}"
prices '' '{"prices": [{"provider": "\\u001b[2J\\u009b2K"}]}'
calib '' "s/\"description\":\t\"/&$(printf "$byte")/"
calib ': device.description: found "' "s/\"description\":\t\"/&$(printf '\233\277')/"
calib '' 's/"description":\t"/&\\u001b[2J\\u009b/'
calib '' "s/\"resnet50\"/\"$(printf "$byte")\"/"
facts '' "s/\"description\": \"/&$(printf "$byte")/"
latencies '' "model,batch,sm_pct,quota_pct,latency_ms\n$byte,1,50,50,21\n"
latencies '' "model,batch,sm_pct,quota_pct,latency_ms\nresnet50,$byte,50,50,21\n"
latencies '' "$byte\n"
import '' rapp "$byte\n"
import '' plain "model,batch,sm_pct,quota_pct,latency_ms\nresnet50,$byte,50,50,21\n"
import '' parvagpu "$byte,$byte\n"
import '' gpu-percent "$byte,$byte\n"
rapp '' graphs.csv "$byte\n"
rapp '' graphs.csv "model,gmac\n$byte,$byte\n"
rapp '' latency.csv "model,batch,sm_pct,quota_pct,latency_ms\n$byte,x,50,50,21\n"
rapp '' operators.csv "$byte\n"
model '' "s/\"table\"/\"$(printf "$byte")\"/"
trace '' csv "$byte\n"
trace ':2:3: found "\x1b[2J' csv "time_s,function\n1,$byte\n"
trace ':2:4: found "\x9bx", expected a name of printable characters (UTF-8)' csv 'time_s,function\n1,f\233x\n'
trace ':2:5: found "\xc2\x9bx", expected a name of printable' csv 'time_s,function\n1,ab\302\233x\n'
trace '' azure2019 "HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,http,$byte\n"
trace '' azure2021 "app,func,end_timestamp,duration\na,$byte,1,1\n"
trace '' azure-llm2023 "TIMESTAMP,ContextTokens,GeneratedTokens\n$byte,1,1\n"
trace '' seconds "requests\n$byte\n"
trace '' packed "HASSIMTR$byte"
printf 'time_s,function\n1,a\n2,b\n' >trace.csv
printf "$byte" >odd
refuse '' compare odd
refuse '' run good.json --plugin odd
refuse '' policy test odd
refuse '' run good.json --set "$(printf "name=$byte")"
runs '' runs.csv "run,system,model,served_model,workload,requests,failed,span_s,usage,tags\n$byte,has,resnet,resnet50,W,1,0,0.1,yes,clean\n"
runs '' runs.csv "$byte\n"
runs '' workloads.csv "workload,stage,rate_rps\n$byte,0,1\n"
runs '' one/requests.csv "start_s,latency_ms,status\n$byte,80,200\n"
runs '' one/usage.csv "t_s,gpu,sm_pct,quota_pct,pods\n0,$byte,x,40,1\n"
runs '' '' '' "--run $(printf "$byte")"

# ---- databases ----

refuse 'missing.db: No such file' compare missing.db
refuse 'missing.db: No such file' figures missing.db
refuse 'folder: not a file' compare folder
refuse 'fifo: not a file' compare fifo
refuse 'fifo: not a file' figures fifo
cp empty bad.db && refuse 'bad.db: a SQLite database with application_id 0' compare bad.db
refuse 'bad.db: a SQLite database with application_id 0' figures bad.db
cp good.json bad.db && database 'not a SQLite database'
head -c 5000 good.db >bad.db && database 'damaged or cut off'
head -c 40 good.db >bad.db && database ''
{ head -c 100 good.db; head -c 8092 /dev/zero; } >bad.db && database ''
{ head -c 4096 good.db; tail -c +4097 good.db | tr '\000\001\002\003\004\005' '\377\376\375\374\373\372'; } >bad.db && database ''
if command -v sqlite3 >/dev/null; then
    rm bad.db && sqlite3 bad.db 'CREATE TABLE run (id INTEGER)' && database 'a SQLite database with application_id 0'
    cp good.db bad.db && sqlite3 bad.db 'DELETE FROM run' && refuse 'bad.db: holds no finished run' compare bad.db
    cp good.db bad.db && sqlite3 bad.db 'PRAGMA user_version = 99' && database 'found results schema version 99, expected version'
else
    echo "sqlite3 is not installed: foreign databases are not tried"
fi

# ---- what this user may not read ----

if [ "$(id -u)" -ne 0 ]; then
    cp good.json secret && chmod 000 secret
    for words in 'run secret' 'calib check secret' 'trace info secret' 'compare secret'; do
        refuse 'secret: ' $words
    done
else
    echo "run by root, who may read everything: cases of permissions are left out"
fi

# ---- what is printed must arrive ----

if [ -c /dev/full ]; then
    for words in --help --version 'run --help' 'run --config-help' 'policy list' 'calib check' 'compare good.db' \
        'trace info trace.csv'; do
        cases=$((cases + 1))
        "$hassim" $words >/dev/full 2>"$work/err"
        code=$?
        [ $code -eq 1 ] || complain "on a full disk: found exit code $code, expected 1"
        [ "$(wc -l <"$work/err")" -eq 1 ] || complain "on a full disk: expected one line on stderr"
    done
fi

echo "$cases cases, $bad complaints"
[ "$bad" -eq 0 ]
