#!/bin/sh
# Installs what is missing of the named groups: build, figures, test, ci.
#
#     sh .ci/packages.sh build figures
#
# What is there already is used, whatever put it there. On Debian and Ubuntu the rest comes through apt-get
# (with sudo unless root); on other systems its Debian names are printed, and the exit code is 1.
set -eu

missing=

# need PACKAGE COMMAND...: PACKAGE is missing if COMMAND fails
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

for group; do
    case $group in
    build)
        need gcc command -v cc
        need libc6-dev test -e /usr/include/stdio.h
        need make command -v make
        need cmake command -v cmake
        need pkg-config command -v pkg-config
        need libgsl-dev pkg-config --exists gsl
        need libsqlite3-dev pkg-config --exists sqlite3
        need libcjson-dev pkg-config --exists libcjson
        need zlib1g-dev pkg-config --exists zlib
        need libzstd-dev pkg-config --exists libzstd
        ;;
    figures)
        need gnuplot-nox command -v gnuplot
        ;;
    test)
        need libcmocka-dev pkg-config --exists cmocka
        need sqlite3 command -v sqlite3
        ;;
    ci)
        need clang command -v clang
        need clang-format command -v clang-format
        need g++ command -v g++
        ;;
    *)
        echo "packages.sh: found group '$group', expected build, figures, test or ci" >&2
        exit 2
        ;;
    esac
done

[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "This system has no apt-get. Please install what Debian calls:$missing" >&2
    exit 1
fi

sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Missing packages, and neither root nor sudo to install them:$missing" >&2
        exit 1
    fi
    sudo=sudo
fi

echo "Installing:$missing" >&2
# shellcheck disable=SC2086 # the lists are meant to be split
{
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
} >&2
