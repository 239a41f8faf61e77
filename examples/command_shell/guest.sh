#!/bin/sh
# A guest in POSIX shell on the session protocol (docs/reference/guest-protocol.md): one long-lived
# process that looks for the best threshold by halving its step. `command` guests may be any program.
set -eu

# A descriptor number in a variable needs eval: `>&$name` is portable, `>&3` could not be configured.
ask() {
    eval "printf '%s\n' \"\$1\" >&$SUBCRITICAL_REQUEST_FD"
    eval "IFS= read -r answer <&$SUBCRITICAL_ANSWER_FD" || exit 0   # the harness is gone: stop
}

ask '{"op": "hello"}'
left=$(printf '%s' "$answer" | sed -n 's/.*"generations_left": *\([0-9]*\).*/\1/p')
threshold=$(cat threshold.txt)
step=64
while [ "$left" -gt 0 ] && [ "$step" -gt 0 ]; do
    for try in $((threshold + step)) $((threshold - step)); do
        [ "$left" -gt 0 ] || break
        left=$((left - 1))
        printf '%s\n' "$try" > threshold.txt
        ask "{\"op\": \"propose\", \"claim\": \"threshold $threshold becomes $try\", \"reported\": null}"
        case "$answer" in
            *'"verdict": "accepted"'* | *'"verdict":"accepted"'*) threshold=$try ;;
            *) printf '%s\n' "$threshold" > threshold.txt ;;   # the harness never writes here: restore it ourselves
        esac
    done
    step=$((step / 2))
done
eval "printf '%s\n' '{\"op\": \"done\"}' >&$SUBCRITICAL_REQUEST_FD"
