#!/usr/bin/env python3
# A skep worker in Python: greets. Tasks come on stdin, answers go to fd 3, and print() is the task's log.
# skep.toml:  [workers.hello]  run.process = ["python3", "worker.py"]
# Try it:     skep call hello '{"name": "Ada"}'   ->   {"greeting": "hello Ada"}
import json, os, sys, traceback
replies = os.fdopen(3, "w")
def tell(**message):
    print(json.dumps(message), file=replies, flush=True)
def hello(payload):
    return {"greeting": "hello " + payload["name"]}
tell(op="hello", proto=1, concurrency=1, pid=os.getpid(), lang="python")
for message in map(json.loads, sys.stdin):
    if message["op"] == "stop": break
    if message["op"] != "run": continue
    try:
        tell(op="done", id=message["id"], result=hello(message["payload"]))
    except Exception as e:
        tell(op="fail", id=message["id"], error=repr(e), kind=type(e).__name__, trace=traceback.format_exc())
