#!/bin/sh
# Writes the two workloads of the HAS-GPU testbed as arrivals, one function per model: out/testbed/w1.csv, the
# normal load (mean 10.8 requests/s), and out/testbed/w0.csv, the stress load (19.6).
#
# The rates are those of the load generator in github.com/KontonGu/HAS-GPU (Apache-2.0): 50 stages of 5 s, evenly
# spaced requests at "a" requests/s, "axb" for b stages of a. As its client does, 5 s at 5 requests/s come before:
# they begin at 55 s, the stages at 60 s, so that pods are ready. The client waits for a stage's last response
# before it begins the next, and holds at most 2a requests in flight; here arrivals wait for nobody.
set -eu
cd "$(dirname "$0")/.."
mkdir -p out/testbed

w1="8 5x7 7 15 14 5 15x3 13 5 6 15 5x5 15x4 10 5 8 15 9 15x3 14 13 15x2 13 15x7 12 6"
w0="25x19 18 25 19x2 25 16 25 21 23 3 25x4 20 25 11 25x2 22 6 12 5x2 3 1 25 4 1 2 17"

write() {
    echo "5 $2" | tr ' ' '\n' | awk -v models="resnet50 mobilenet_v3_large shufflenet_v2_x0_5 convnext_large bert" '
        BEGIN { n = split(models, model, " "); print "time_s,function"; at = 55 }
        {
            stages = split($0, part, "x") == 2 ? part[2] : 1
            for (s = 0; s < stages; s++) {
                for (i = 0; i < 5 * part[1]; i++)
                    for (m = 1; m <= n; m++) printf "%.6f,%s\n", at + i / part[1], model[m]
                at += 5
            }
        }' >"out/testbed/$1.csv.part"
    mv "out/testbed/$1.csv.part" "out/testbed/$1.csv"
}
write w1 "$w1"
write w0 "$w0"
