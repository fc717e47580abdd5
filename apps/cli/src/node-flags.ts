// What each role's Node.js is told, wherever it runs: on a laptop, in Compose and in a cluster. A test holds the other two to it.

// A young generation of this size is collected in half a millisecond. Helped by threads that have to be woken, and wait for a core
// that is busy, it takes twice to ten times as long, and the calls of that moment with it.
const byItself = "--no-parallel-scavenge";

// V8 gives what a place in the code makes a home among the old objects once it saw that much of it lived on, as it does of what the
// first calls make. From then on what each call makes there is old at its birth, and keeps all of the call that it knows until the
// next full collection: up to a sixth of all that calls leave was copied in every young one, which took ten times as long. Which
// processes it befell was chance, and it stayed with them.
const bornYoung = "--no-allocation-site-pretenuring";

// Left to itself, V8 keeps a young generation many times as big as most processes need while they wait. What answers calls
// carries the load and gets more room.
export const nodeFlags = {
  calls: ["--max-semi-space-size=16", byItself, bornYoung],
  jobs: ["--max-semi-space-size=4", byItself],
  // The console serves a handful of people: a third less memory is worth more than the compiled code it would rarely use.
  console: [
    ...["--max-semi-space-size=1", "--max-old-space-size=96", "--optimize-for-size"],
    ...["--no-opt", "--no-maglev", "--no-sparkplug"],
  ],
};
