# The rc.d script in the jail of host a: start, a restart with a wrong configuration, stop. Sourced by run.sh.
# shellcheck shell=sh disable=SC2154 # names of run.sh and network.sh
#
# It is the bundle's script with its own folders below $work: jails of this scenario have the machine's files, which stay as they are.

make_service() {
    mkdir -p "$work/var/run" "$work/var/db" || return 1
    sed -e "s#/etc/rc\\.subr#$RC_SUBR#" -e "s#\\([ \"]\\)/var/\\(run\\|db\\)#\\1$work/var/\\2#g" \
        "$BUNDLE/service/freebsd/stunmesh" >"$work/rc.d-stunmesh"
}

# service_a WORD
service_a() {
    jexec "$hosta" env stunmesh_enable=YES stunmesh_config="$work/a.yaml" stunmesh_script="$BUNDLE/stunmesh.js" \
        stunmesh_runtime="$runtime" stunmesh_log="$work/service.log" ${DAEMON:+stunmesh_program="$DAEMON"} \
        sh "$work/rc.d-stunmesh" "$1"
}

service_pid() {
    [ -s "$work/var/run/stunmesh-child.pid" ] && cat "$work/var/run/stunmesh-child.pid"
}

service_answers() {
    "$runtime" "$BUNDLE/stunmesh.js" status --run-dir "$work/run-a"
}

refused() {
    ! "$@"
}

# runs_on PID: the same process still.
runs_on() {
    [ "$(service_pid)" = "$1" ] && kill -0 "$1"
}

is_over() {
    [ -n "$1" ] && ! kill -0 "$1" 2>/dev/null
}

try_service() {
    say '== host a by its service'
    if [ ! -f "$BUNDLE/service/freebsd/stunmesh" ] || [ ! -r "$RC_SUBR" ]; then
        skip 'service' "there is no rc.d script in the bundle, or no $RC_SUBR"
        return 0
    fi
    stop_daemon a >/dev/null 2>&1
    write_config a
    if ! shown make_service; then
        not_ok 'service: its script is made'
        return 0
    fi
    check 'service: it starts' service_a start
    check 'service: it runs' within 20 service_pid
    check 'service: the daemon answers' within "$PATIENCE" service_answers
    check 'service: it carries the tunnel' within "$PATIENCE" ping_ab
    before=$(service_pid)
    echo 'interfaces: wrong' >"$work/a.yaml"
    check 'service: a restart with a wrong configuration is refused' refused service_a restart
    check 'service: and the same process runs on' runs_on "$before"
    write_config a
    check 'service: a restart with a right one' service_a restart
    check 'service: the old process is over' is_over "$before"
    within 20 service_pid >/dev/null
    check 'service: the new one answers' within "$PATIENCE" service_answers
    after=$(service_pid)
    check 'service: it stops' service_a stop
    check 'service: the daemon is over when stop returns' is_over "$after"
    check 'service: and its last line is in the log' last_line
}

last_line() {
    tail -n 1 "$work/service.log" | grep stopped
}

# For the end of the run, wherever it was.
end_service() {
    for each in stunmesh stunmesh-child; do
        [ ! -f "$work/var/run/$each.pid" ] || kill "$(cat "$work/var/run/$each.pid")" 2>/dev/null
    done
}
