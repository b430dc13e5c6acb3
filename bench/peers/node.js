// The benches' tasks through piscina, Node's pool of worker threads.
// usage: node node.js single|grouped WORKLOAD ARGUMENT...
//   grouped: the user has packed the tasks into a few groups by hand.
// As many worker threads as CPUs; tasks that wait do it asynchronously, all of a thread's at once, as its manual advises.
// The time is that from making the pool to the last result, without ending the pool.
"use strict";
const os = require("os");
const path = require("path");
const { Piscina } = require("piscina");
const tasks = require("./node_tasks.js");

const [kind, workload, ...words] = process.argv.slice(2);
const numbers = words.map(Number);
const cpus = os.availableParallelism ? os.availableParallelism() : os.cpus().length;
const now = () => performance.now() / 1000;
const range = (n) => Array.from({ length: n }, (_, i) => i + 1);
const sum = (list) => list.reduce((a, b) => a + b, 0);

function calibrate(microseconds) {
  const rates = [];
  for (let i = 0; i < 15; i++) {
    const began = process.cpuUsage(); // what else the machine does must not make the tasks shorter
    tasks.spin(i, 3000000);
    rates.push(3000000 / process.cpuUsage(began).user);
  }
  rates.sort((a, b) => a - b);
  return Math.max(1, Math.round(rates[7] * microseconds));
}

async function run(name, inputs, options = {}) {
  const began = now();
  const pool = new Piscina({
    filename: path.join(__dirname, "node_tasks.js"),
    minThreads: cpus,
    maxThreads: cpus,
    ...options,
  });
  const results = await Promise.all(inputs.map((input) => pool.run(input, { name })));
  const seconds = now() - began;
  return { seconds, results, pool };
}

async function runGrouped(name, inputs, n) {
  const size = Math.max(1, Math.min(10000, Math.floor(inputs.length / (8 * cpus))));
  const groups = [];
  for (let i = 0; i < inputs.length; i += size) groups.push([inputs.slice(i, i + size), n]);
  const { seconds, results } = await run(name + "_group", groups);
  return { seconds, results: results.flat() };
}

function plain(count, microseconds, n) {
  const part = Math.min(count, Math.floor(250000 / microseconds) + 1);
  const began = now();
  for (let i = 1; i <= part; i++) tasks.spin(i, n);
  return ((now() - began) * count) / part;
}

const workloads = {
  async noop(count) {
    const inputs = range(count);
    const { seconds, results } = kind === "grouped" ? await runGrouped("identity", inputs) : await run("identity", inputs);
    return { seconds, checksum: sum(results) };
  },
  async compute(count, microseconds) {
    const iterations = calibrate(microseconds);
    const before = plain(count, microseconds, iterations);
    const inputs = range(count);
    const { seconds, results } =
      kind === "grouped"
        ? await runGrouped("compute", inputs, iterations)
        : await run("compute", inputs.map((i) => [i, iterations]));
    const after = plain(count, microseconds, iterations);
    return { seconds, plain: (before + after) / 2, checksum: sum(results), iterations };
  },
  async wait(count, duration) {
    const inputs = range(count).map((i) => [i, duration]);
    const { seconds, results } = await run("wait", inputs, { concurrentTasksPerWorker: Math.ceil(count / cpus) });
    return { seconds, checksum: sum(results) };
  },
  async wait_compute(count, duration, microseconds) {
    const iterations = calibrate(microseconds);
    const before = plain(count, microseconds, iterations);
    const inputs = range(count).map((i) => [i, duration, iterations]);
    const { seconds, results } = await run("wait_compute", inputs, {
      concurrentTasksPerWorker: Math.ceil(count / cpus),
    });
    const after = plain(count, microseconds, iterations);
    return { seconds, plain: (before + after) / 2, checksum: sum(results), iterations };
  },
  async echo(count, size) {
    const strings = [65, 66, 67, 68].map((c) => String.fromCharCode(c).repeat(size));
    const inputs = range(count).map((i) => strings[i % 4]);
    const { seconds, results } = await run("identity", inputs);
    return { seconds, checksum: sum(results.map((s) => s.length + s.charCodeAt(s.length - 1))) };
  },
  async records(count, size) {
    const table = range(size).map((i) => ({ id: i, name: "name" + i, score: i / 7, tags: ["red", "green", "blue"] }));
    const { seconds, results } = await run("identity", range(count).map(() => table));
    return { seconds, checksum: sum(results.map((t) => t[t.length - 1].id)) };
  },
  async startup(repeats) {
    const times = [];
    for (let i = 0; i < repeats; i++) {
      const { seconds, pool } = await run("identity", [1], { minThreads: 1, maxThreads: 1 });
      times.push(seconds);
      await pool.destroy();
    }
    times.sort((a, b) => a - b);
    return { seconds: times[Math.floor(repeats / 2)], checksum: 1 };
  },
};

workloads[workload](...numbers).then((figures) => {
  console.log(Object.entries(figures).map(([k, v]) => `${k}=${v}`).join(" "));
  process.exit(0);
});
