// The benches' tasks for Node: the file that piscina's worker threads load.
"use strict";

function spin(x, n) {
  for (let i = 0; i < n; i++) x = (x * 5 + 1) & 0xffff;
  return x;
}

const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

module.exports = {
  spin,
  identity: (x) => x,
  compute: ([i, n]) => spin(i, n),
  compute_group: ([list, n]) => list.map((i) => spin(i, n)),
  identity_group: ([list]) => list.map((i) => i),
  wait: async ([i, seconds]) => {
    await sleep(seconds);
    return i;
  },
  wait_compute: async ([i, seconds, n]) => {
    await sleep(seconds);
    return spin(i, n);
  },
};
