#!/bin/sh
# A worker that starts in a millisecond and answers at once: what a sweep costs beside its workers is what is left.
# Started as the launcher starts Python: -m benchmarks.worker.supervisor DESCRIPTOR PARENT GRACE LIMIT, the request on standard
# input. The adapter's name says how it lies, if it does; truth is the default.
IFS= read -r request
speed=1000.0 status='"ok"' version='"1.0"' flags='[]' more='' accuracy=0.5
case $request in *'"task": "speed"'* | *'"task": "accuracy"'*)
    case $request in
    *'"adapter": "steady"'*) sleep 0.5 ;;
    *'"adapter": "zero"'*) speed=0.0 ;;
    *'"adapter": "negative"'*) speed=-5.0 ;;
    *'"adapter": "infinite"'*) speed=1e999 ;;
    *'"adapter": "nan"'*) speed=NaN accuracy=NaN ;;
    *'"adapter": "huge"'*) speed=1e308 ;;
    *'"adapter": "text"'*) speed='"fast"' ;;
    *'"adapter": "twice"'*) more='"train_samples_per_s": 5.0, ' ;;
    *'"adapter": "status"'*) status='"excellent"' ;;
    *'"adapter": "claims"'*) more='"seed": 99, ' ;;
    *'"adapter": "mistakes"'*) more='"mistakes": [123456], ' ;;
    *'"adapter": "deep"'*) flags=$(head -c 200000 /dev/zero | tr '\0' '[') ;;
    *'"adapter": "oversized"'*) version="\"$(head -c 700000 /dev/zero | tr '\0' x)\"" ;;
    *'"adapter": "swells"'*) version="\"$(head -c 200000 /dev/zero | sed 's/\x0/é/g')\"" ;;
    *'"adapter": "torn"'*) status='"ok' ;;
    esac ;;
esac
case $request in
*'"task": "probe"'*) answer='"versions": {"instant": "1.0"}, "devices": {"cpu": "this"}, "recommended": {}, "libraries": {},
  "unsupported": {"eager float32 preloaded": null}' ;;
*'"task": "prove"'*) # a verdict for each cell
    cells=$(printf %s "$request" | tr '{' '\n' | grep -c '"framework"')
    verdict='{"lockstep": "pass", "why": "", "deviations": {"loss": 0.0}, "float64_deviation": 0.0, "by_step": {}, "steps": 200, "oracle_sha256": "0"}'
    answer="\"verdicts\": [$(yes "$verdict" | head -n "$cells" | paste -sd ,)]" ;;
*'"task": "speed"'*) answer="\"framework_version\": $version, \"flags\": $flags, \"train_samples_per_s\": $speed, \"train_chunk_s\": [0.1, 0.1],
  \"chunk_steps\": 10, \"warm_up_chunks\": 1, \"eval_passes\": 1, \"eval_samples_per_s\": 1000.0" ;;
*) answer="\"framework_version\": $version, \"flags\": $flags, \"accuracy\": $accuracy, \"epochs\": 1" ;;
esac
printf '{"status": %s, "reason": "", %s%s}' "$status" "$more" "$answer" | tr -d '\n' > "/proc/self/fd/$3"
