#!/usr/bin/env bash
# A script that knows nothing of skep: one run per task. The payload comes on stdin; stdout, if all of it is
# JSON, is the result; stderr is the log. Exit 0 is done, 75 is "try again", 65 is "never again".
# skep.toml:  [workers.hello]  run.exec = ["bash", "exec.sh"]
echo "attempt $SKEP_ATTEMPT of $SKEP_OF" >&2
jq -ce '{greeting: ("hello " + (.name | strings))}' || exit 65
