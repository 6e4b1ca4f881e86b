# A worker that writes down that it begins and ends, and starts a process of its own that would outlive it.
import json, os, subprocess, sys, time
journal = os.open(os.environ["SKEP_TEST_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
replies = os.fdopen(3, "w")
def tell(**message):
    print(json.dumps(message), file=replies, flush=True)
def note(what, m):
    run = {"task": m["id"], "attempt": m["attempt"], "fence": m["fence"], "pid": os.getpid(),
           "at": time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000}
    os.write(journal, b"\n" + json.dumps({"what": what, **run}).encode())
    return run
subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
tell(op="hello", proto=1, concurrency=1, pid=os.getpid(), lang="python")
for message in map(json.loads, iter(sys.stdin.readline, "")):
    if message["op"] == "stop": break
    if message["op"] != "run": continue
    begun = note("begin", message)
    time.sleep(message["payload"].get("millis", 0) / 1000)
    note("end", message)
    tell(op="done", id=message["id"], result=begun)
