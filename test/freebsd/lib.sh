# What a scenario in plain sh needs: TAP, waiting, evidence of failures without secrets. Sourced by run.sh.
# shellcheck shell=sh

tests=0
failures=0

# Comments of TAP: what a step saw.
say() {
    printf '%s\n' "$*" | sed 's/^/# /'
}

# Keys and records leave no trace in a report that strangers read.
redact() {
    sed -E 's#[A-Za-z0-9+/]{43}=#[key]#g; s/[0-9A-Fa-f]{64,}/[hex]/g'
}

ok() {
    tests=$((tests + 1))
    echo "ok $tests - $1"
}

not_ok() {
    tests=$((tests + 1))
    failures=$((failures + 1))
    echo "not ok $tests - $1"
    evidence "$1"
}

skip() {
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# Ends everything: what follows makes no sense without what has just failed. The trap cleans up.
bail() {
    echo "Bail out! $1"
    exit 1
}

# shown COMMAND...: what it says becomes comments; its status is kept. In the background, since a shell hears no signal while
# it waits for a command, only in wait; so nothing that it does to variables lasts.
current=''
shown() {
    # shellcheck disable=SC2154 # run.sh makes the folder
    "$@" >"$work/said" 2>&1 </dev/null &
    current=$!
    wait "$current" && status=0 || status=$?
    current=''
    say "\$ $*  (status $status)"
    redact <"$work/said" | sed 's/^/#   /'
    return "$status"
}

# check TITLE COMMAND...: one test.
check() {
    title=$1
    shift
    if shown "$@"; then ok "$title"; else not_ok "$title"; fi
}

# must TITLE COMMAND...: one test without which the rest makes no sense.
must() {
    title=$1
    shift
    if shown "$@"; then ok "$title"; else
        not_ok "$title"
        bail "$title"
    fi
}

# within SECONDS COMMAND...: until it does well; says how long that took.
within() {
    limit=$1
    shift
    waited=0
    while ! said=$("$@" 2>&1); do
        # Without its folder the run is over, and this a process that was forgotten.
        if [ "$waited" -ge "$limit" ] || [ ! -d "$work" ]; then
            say "not within $limit s: $*"
            [ -z "$said" ] || printf '%s\n' "$said" | redact | tail -n 5 | sed 's/^/#   /'
            return 1
        fi
        sleep 1
        waited=$((waited + 1))
    done
    say "after about $waited s: $*"
    [ -z "$said" ] || printf '%s\n' "$said" | redact | tail -n 3 | sed 's/^/#   /'
}

# finish: the plan, and the exit status.
finish() {
    echo "1..$tests"
    say "$tests tests, $failures failed"
    [ "$failures" -eq 0 ] || exit 1
    exit 0
}
