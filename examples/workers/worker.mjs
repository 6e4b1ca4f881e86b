// A skep worker in Node, with up to 16 tasks at once: greets. Tasks come on stdin, answers go to fd 3, and
// console.log is the task's log.
// skep.toml:  [workers.hello]  run.process = ["node", "worker.mjs"]
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
const tell = (message) => writeSync(3, JSON.stringify(message) + '\n');
const hello = async ({ name }) => ({ greeting: `hello ${name.trim()}` });
tell({ op: 'hello', proto: 1, concurrency: 16, pid: process.pid, lang: 'node' });
createInterface({ input: process.stdin }).on('line', (line) => {
  const { op, id, payload } = JSON.parse(line);
  if (op === 'run') hello(payload).then((result) => tell({ op: 'done', id, result }), (e) => tell({ op: 'fail', id, error: e.message, kind: e.name, trace: e.stack }));
});
