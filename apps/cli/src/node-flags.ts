// What each role's Node.js is told, wherever it runs: on a laptop, in Compose and in a cluster. A test holds the other two to it.

// A young generation of this size is collected in half a millisecond. Helped by threads that have to be woken, and wait for a core
// that is busy, it takes twice to ten times as long, and the calls of that moment with it.
const byItself = "--no-parallel-scavenge";

// Left to itself, V8 keeps a young generation many times as big as most processes need while they wait. What answers calls
// carries the load and gets more room.
export const nodeFlags = {
  calls: ["--max-semi-space-size=16", byItself],
  jobs: ["--max-semi-space-size=4", byItself],
  // The console serves a handful of people: a third less memory is worth more than the compiled code it would rarely use.
  console: [
    ...["--max-semi-space-size=1", "--max-old-space-size=96", "--optimize-for-size"],
    ...["--no-opt", "--no-maglev", "--no-sparkplug"],
  ],
};
