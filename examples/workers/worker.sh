#!/usr/bin/env bash
# A skep worker in Bash, with jq: greets. Tasks come on stdin, answers go to fd 3, and echo is the task's log.
# skep.toml:  [workers.hello]  run.process = ["bash", "worker.sh"]
hello() { jq -ce '{greeting: ("hello " + (.name | strings))}' <<<"$1"; }
echo '{"op":"hello","proto":1,"concurrency":1,"pid":'$$',"lang":"bash"}' >&3
while read -r line; do
  [[ $(jq -r .op <<<"$line") == run ]] || continue
  if result=$(hello "$(jq -c .payload <<<"$line")")
  then jq -c --argjson result "$result" '{op: "done", id, $result}' <<<"$line" >&3
  else jq -c '{op: "fail", id, error: "no name", retry: false}' <<<"$line" >&3; fi
done
