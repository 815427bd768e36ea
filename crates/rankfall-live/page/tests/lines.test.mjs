// What figures over time draw: lines on a logarithmic axis, and what is kept of a long history.
import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "esbuild";

// A source of the page as a module of Node.
async function load(name) {
  const entryPoints = [new URL(`../src/${name}.ts`, import.meta.url).pathname];
  const made = await build({ entryPoints, bundle: true, format: "esm", write: false });
  return import(`data:text/javascript;base64,${Buffer.from(made.outputFiles[0].text).toString("base64")}`);
}

test("a law that is straight over time is that law on a logarithmic axis too", async () => {
  const { onLogarithmicTime } = await load("logtime");
  const times = [0, 1, 10, 20, 300];
  const columns = new Map([
    ["law", times.map((t) => 9 - 0.38 * t)],
    ["gap", [1, 2, null, 4, 5]],
  ]);
  const { times: drawn, of } = onLogarithmicTime({ times, columns });
  assert.equal(drawn[0], 1);
  assert.equal(drawn.at(-1), 300);
  for (let i = 1; i < drawn.length; i += 1) {
    assert.ok(drawn[i] > drawn[i - 1] && drawn[i] / drawn[i - 1] < 1.0501, `${drawn[i - 1]} ${drawn[i]}`);
  }
  of("law").forEach((value, i) => assert.ok(Math.abs(value - (9 - 0.38 * drawn[i])) < 1e-9));
  for (const time of times.slice(1)) assert.ok(drawn.some((t) => Math.abs(t / time - 1) < 1e-12), `${time}`);
  // Nothing is drawn towards what is not known.
  of("gap").forEach((value, i) => assert.equal(value === null, drawn[i] > 1 && drawn[i] < 20));
  assert.ok(of("not there").every((value) => value === null));
});

test("nothing that was measured after the start is nothing to draw", async () => {
  const { onLogarithmicTime } = await load("logtime");
  for (const times of [[], [0]]) assert.deepEqual(onLogarithmicTime({ times, columns: new Map() }).times, []);
});

test("a long history is bounded and has every decade of its time", async () => {
  const { History } = await load("history");
  const history = new History();
  const band = { mean: 1, low: 1, high: 1 };
  const run = { log_det: band, law: 1, loss: band, excess_loss: band, population_loss: null, slow: null, matrices: [] };
  for (let i = 0; i <= 100_000; i += 1) history.add({ time: i * 0.05, pace: null, runs: [run] });
  assert.ok(history.times.length <= 1500, `${history.times.length}`);
  assert.equal(history.times[0], 0);
  for (let i = 2; i < history.times.length; i += 1) {
    const [before, now] = [history.times[i - 1], history.times[i]];
    // Frames are 0.05 apart.
    assert.ok(now - before < 0.1 || now / before < 1.07, `${before} ${now}`);
  }
});
