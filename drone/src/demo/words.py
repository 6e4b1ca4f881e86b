# Counts the words of a file. Speaks worker wire 1: tasks on stdin, replies on fd 3.
import json, os, sys

out = os.fdopen(3, "w")

def say(**message):
    print(json.dumps(message), file=out, flush=True)

say(op="hello", proto=1, concurrency=1, pid=os.getpid(), lang="python")
for line in sys.stdin:
    run = json.loads(line)
    if run["op"] == "stop":
        break
    if run["op"] == "run":
        try:
            with open(run["payload"]["path"], "rb") as file:
                words = sum(len(line.split()) for line in file)
            say(op="done", id=run["id"], result={**run["payload"], "words": words})
        except OSError as error:
            say(op="fail", id=run["id"], error=str(error), kind="OSError", retry=False)
