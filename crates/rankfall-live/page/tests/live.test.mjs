// The page in a real browser, against a real server. RANKFALL names the program, CHROMIUM the browser.
// Where there is no browser the tests are left out, with a word; where CI is set that is an error.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const rankfall = process.env.RANKFALL ?? "rankfall";
const executablePath =
  process.env.CHROMIUM ??
  (process.env.PATH ?? "")
    .split(":")
    .flatMap((folder) => ["chromium", "chromium-browser", "google-chrome"].map((name) => join(folder, name)))
    .find(existsSync);
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

let browser;
let folder;
const started = [];

const without = executablePath ? false : "no Chromium on this machine; CHROMIUM names one";
if (without && process.env.CI) throw new Error(without);

// A server, and the address it prints.
async function serve(...args) {
  const child = spawn(rankfall, args, { stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  let text = "";
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes("\n")) return { address: text.trim(), child };
  }
  throw new Error(`${rankfall} ${args.join(" ")} printed no address`);
}

async function open(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("requestfailed", (request) => {
    // What was asked when the page or the simulation ended.
    if (!new URL(request.url()).pathname.endsWith("/go")) errors.push(`failed: ${request.url()}`);
  });
  await page.goto(address);
  return { page, context, errors };
}

const number = (text) => Number(text.replace("−", "-"));

async function value(page, id) {
  return number(await page.getByTestId(id).textContent());
}

async function until(page, id, holds) {
  const end = Date.now() + 30_000;
  for (;;) {
    const now = await value(page, id);
    if (holds(now)) return now;
    assert.ok(Date.now() < end, `${id} stays at ${now}`);
    await page.waitForTimeout(40);
  }
}

// log det and time of one moment: time stands still.
async function reading(page) {
  await pause(page);
  const at = { time: await value(page, "time"), logDet: await value(page, "log-det"), law: await value(page, "law") };
  return at;
}

async function pause(page) {
  if ((await page.getByTestId("pause").textContent()) !== "Pause") return;
  await page.getByTestId("pause").click();
  let last = "";
  for (;;) {
    await page.waitForTimeout(200);
    const now = await page.getByTestId("time").textContent();
    if (now === last) return;
    last = now;
  }
}

async function goOn(page) {
  if ((await page.getByTestId("pause").textContent()) === "Go on") await page.getByTestId("pause").click();
}

async function set(page, id, to) {
  const input = page.getByTestId(id);
  await input.fill(String(to));
  await input.press("Enter");
  await input.blur();
}

let live;
before(async () => {
  if (without) return;
  browser = await chromium.launch({ executablePath, args: FLAGS });
  folder = await mkdtemp(join(tmpdir(), "rankfall-live-"));
  live = await serve("live", "--no-open");
});
after(async () => {
  await browser?.close();
  for (const child of started) child.kill();
});

const check = (name, body) => test(name, { skip: without, timeout: 120_000 }, body);

check("the first frame comes soon, and nothing fails", async () => {
  const begun = Date.now();
  const { page, context, errors } = await open(live.address);
  await until(page, "time", (t) => t >= 0);
  const needed = Date.now() - begun;
  console.log(`first frame after ${needed} ms`);
  assert.ok(needed < 2500, `${needed} ms`);
  await until(page, "time", (t) => t > 1);
  assert.deepEqual(errors, []);
  await context.close();
});

check("label noise makes log det leave its level and follow the law's slope to 2 %", async () => {
  const { page, context } = await open(live.address);
  await until(page, "time", (t) => t > 0);
  await set(page, "label-noise", 0);
  await page.getByTestId("restart").click();
  await until(page, "time", (t) => t > 0.1 && t < 3);
  await until(page, "time", (t) => t > 4);
  const level = await reading(page);
  await goOn(page);
  await until(page, "time", (t) => t > level.time + 1);
  const still = await reading(page);
  assert.ok(Math.abs(still.logDet - level.logDet) < 2e-3, `${level.logDet} ${still.logDet}`);
  await set(page, "label-noise", 2);
  await page.waitForFunction(() => document.getElementById("announcements").textContent.includes("label noise 0 → 2"));
  await goOn(page);
  await until(page, "time", (t) => t > still.time + 6);
  const fallen = await reading(page);
  // 2νk tr(S), ν = ηδ = 0.02, k = 2, tr(S) of the paper's data.
  const fall = fallen.logDet - still.logDet;
  const expected = -0.380296 * (fallen.time - still.time);
  assert.ok(Math.abs(fall / expected - 1) < 0.02, `${fall} ${expected}`);
  assert.ok(Math.abs(fallen.logDet - fallen.law) < 2e-3);
  await context.close();
});

check("without repulsion log det no longer falls, and the law is gone", async () => {
  const { page, context } = await open(live.address);
  await until(page, "time", (t) => t > 1);
  const button = page.getByTestId("repulsion");
  assert.equal(await button.textContent(), "Repulsion on");
  await button.click();
  assert.equal(await button.textContent(), "Repulsion off");
  await page.waitForFunction(() => document.querySelector("[data-testid=law]").textContent === "–");
  const before = await reading(page);
  await goOn(page);
  await until(page, "time", (t) => t > before.time + 8);
  const after = await reading(page);
  assert.ok(after.logDet > before.logDet, `${before.logDet} ${after.logDet}`);
  await context.close();
});

check("without antisymmetric repulsion the law holds, one singular value falls alone, and the rank stays", async () => {
  const { page, context } = await open(live.address);
  await until(page, "time", (t) => t > 0);
  await page.getByTestId("scene-4").click();
  await page.waitForFunction(() => document.querySelector("[data-testid=beside]").textContent.includes("away"));
  assert.equal(await page.getByTestId("split").inputValue(), "antisymmetric");
  await until(page, "time", (t) => t > 60);
  await pause(page);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByTestId("csv").click()]);
  const lines = (await readFile(await file.path(), "utf8")).trim().split("\n");
  const names = lines[0].split(",");
  const last = lines.at(-1).split(",");
  const at = (name) => Number(last[names.indexOf(name)]);
  // Decimal logarithms: several decades apart.
  assert.ok(at("1.theta.6") < at("0.theta.6") - 1, `${at("1.theta.6")} ${at("0.theta.6")}`);
  assert.ok(at("1.theta.5") > at("0.theta.5") + 0.3, `${at("1.theta.5")} ${at("0.theta.5")}`);
  assert.ok(Math.abs(at("0.log_det") - at("0.law")) < 1e-6);
  // Reflected steps have a bias of the order of their length.
  assert.ok(Math.abs((at("1.log_det") - 9.57) / (at("1.law") - 9.57) - 1) < 0.25, `${at("1.log_det")} ${at("1.law")}`);
  assert.ok(at("1.w1.effective") > at("0.w1.effective") + 0.1);
  await context.close();
});

check("restart equals a fresh page", async () => {
  // Forty single frames from t = 0.
  const first = async (act) => {
    const { page, context } = await open(live.address);
    await page.getByTestId("pause").click();
    await act(page);
    await page.waitForFunction(() => document.querySelector("dd[data-testid=step]").textContent === "0");
    for (let i = 0; i < 40; i += 1) await page.getByRole("button", { name: "One frame on" }).click();
    await page.waitForTimeout(1500);
    const read = {};
    for (const id of ["step", "time", "log-det", "rank", "effective-rank", "smallest", "loss"]) {
      read[id] = await page.locator(`dd[data-testid=${id}]`).textContent();
    }
    await context.close();
    return read;
  };
  const fresh = await first(async (page) => page.getByTestId("restart").click());
  const again = await first(async (page) => {
    await goOn(page);
    await until(page, "time", (t) => t > 2);
    await set(page, "seed", 5);
    await page.waitForTimeout(300);
    await pause(page);
    await set(page, "seed", 1);
    await page.waitForTimeout(300);
    await page.getByTestId("restart").click();
  });
  assert.ok(Number(fresh.step) >= 200, fresh.step);
  assert.deepEqual(fresh, again);
});

check("every control is moved, and its effect read from the page", async () => {
  const { page, context, errors } = await open(live.address);
  await until(page, "time", (t) => t > 0);
  const announced = () => page.locator("#announcements").textContent();
  const said = (words) => page.waitForFunction((w) => document.getElementById("announcements").textContent.includes(w), words);
  await set(page, "label-noise", 3);
  await said("label noise 2 → 3");
  assert.equal(await page.getByTestId("label-noise").getAttribute("aria-valuenow"), "3");
  await set(page, "step-size", 0.02);
  await said("step size 0.01 → 0.02");
  assert.match(await page.getByTestId("step-size-bound").textContent(), /stable below about 0\.0\d+/);
  await set(page, "batch-size", 4);
  await said("batch size 1 → 4");
  await page.getByTestId("label-noise-slider").focus();
  await page.keyboard.press("Home");
  await said("→ 0");
  for (const [kind, greyed] of [
    ["gradient-flow", ["label-noise", "batch-size"]],
    ["gradient-descent", ["label-noise", "batch-size"]],
    ["label-noise-gradient-descent", ["batch-size"]],
    ["sgd", []],
    ["stochastic-gradient-flow", []],
  ]) {
    await page.getByTestId("dynamics").selectOption(kind);
    await said(kind.replaceAll("-", " "));
    for (const id of ["label-noise", "batch-size"]) {
      assert.equal(await page.getByTestId(id).isDisabled(), greyed.includes(id), `${kind} ${id}`);
    }
    const now = await value(page, "time");
    await until(page, "time", (t) => t > now);
  }
  for (const [id, to, columns] of [["width", 6, "6 columns"], ["inputs", 4, "p = 4"], ["outputs", 3, "k = 3"], ["trajectories", 32, "32 trajectories"]]) {
    await set(page, id, to);
    await page.waitForFunction((w) => document.getElementById("subject").textContent.includes(w), columns);
  }
  await set(page, "teacher-rank", 1);
  await page.waitForFunction(() => /rank 1/.test(document.getElementById("subject").textContent));
  await page.getByTestId("beside").click();
  await page.waitForFunction(() => !document.querySelector("[data-testid=which]").disabled);
  await page.getByTestId("matrix").selectOption("w1");
  await page.getByTestId("fastest").check();
  await until(page, "pace", (p) => p > 20);
  await page.getByTestId("as-a-file").click();
  await page.waitForFunction(() => document.getElementById("as-toml").value.includes("[data]"));
  assert.match(await page.locator("#as-toml").inputValue(), /inputs = 4/);
  await page.getByTestId("link").click();
  const linked = page.url();
  const again = await open(linked);
  await again.page.waitForFunction(() => document.getElementById("subject").textContent.includes("32 trajectories"));
  await again.context.close();
  const [svg] = await Promise.all([page.waitForEvent("download"), page.getByTestId("svg").click()]);
  assert.match(await readFile(await svg.path(), "utf8"), /<svg [^]*<path d="M/);
  const [png] = await Promise.all([page.waitForEvent("download"), page.getByTestId("png").click()]);
  assert.equal((await readFile(await png.path())).subarray(1, 4).toString(), "PNG");
  await pause(page);
  for (let scene = 1; scene <= 5; scene += 1) {
    await page.getByTestId(`scene-${scene}`).click();
    await page.waitForTimeout(300);
    assert.equal(await page.getByTestId("pause").textContent(), "Pause", "a scene lets time go on");
  }
  assert.deepEqual(errors, [], await announced());
  await context.close();
});

check("the keyboard alone reaches everything and runs it", async () => {
  const { page, context } = await open(live.address);
  await until(page, "time", (t) => t > 0);
  const reached = new Set();
  for (let i = 0; i < 70; i += 1) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement?.getAttribute("data-testid") ?? ""));
  }
  for (const id of ["dynamics", "label-noise", "step-size", "repulsion", "width", "pause", "restart", "speed", "scene-1", "as-a-file"]) {
    assert.ok(reached.has(id), `${id} in ${[...reached]}`);
  }
  await page.getByTestId("pause").focus();
  await page.keyboard.press("Space");
  assert.equal(await page.getByTestId("pause").textContent(), "Go on");
  await context.close();
});

check("axe finds no violation, light and dark, wide and narrow", async () => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  for (const options of [
    { colorScheme: "light" },
    { colorScheme: "dark" },
    { viewport: { width: 360, height: 740 }, colorScheme: "dark" },
    { viewport: { width: 2560, height: 1300 }, reducedMotion: "reduce" },
  ]) {
    const { page, context } = await open(live.address, { bypassCSP: true, ...options });
    await until(page, "time", (t) => t > 0.5);
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run());
    const words = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
    assert.deepEqual(words, [], JSON.stringify(options));
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `${overflow} pixels too wide at ${JSON.stringify(options)}`);
    await context.close();
  }
});

check("a paused page rests, and a closed tab ends its simulation", async () => {
  const { page, context } = await open(live.address);
  await until(page, "time", (t) => t > 0.5);
  await pause(page);
  const ticks = async () => {
    const text = await readFile(`/proc/${live.child.pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  };
  if (existsSync(`/proc/${live.child.pid}/stat`)) {
    await page.waitForTimeout(1500);
    const before = await ticks();
    await page.waitForTimeout(4000);
    // Hundredths of a second, of four seconds: below one per cent.
    assert.ok((await ticks()) - before <= 4, `${(await ticks()) - before} ticks`);
  }
  await goOn(page);
  await context.close();
  if (existsSync(`/proc/${live.child.pid}/stat`)) {
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const before = await ticks();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.ok((await ticks()) - before <= 4, "a closed tab goes on being simulated");
  }
});

check("Ctrl-C ends the server without a complaint", async () => {
  const { child } = await serve("live", "--no-open");
  child.kill("SIGINT");
  assert.equal(await new Promise((resolve) => child.on("exit", resolve)), 0);
});

check("an exported page plays from the file system", async () => {
  const file = join(folder, "lecture.html");
  const child = spawn(rankfall, ["live", "--export", file], { stdio: "inherit" });
  assert.equal(await new Promise((resolve) => child.on("exit", resolve)), 0);
  assert.ok((await readFile(file)).length < 3_000_000);
  const { page, context, errors } = await open(`file://${file}`);
  await page.getByTestId("recording").selectOption("1");
  await until(page, "time", (t) => t > 20);
  await page.getByTestId("scrub").focus();
  await page.keyboard.press("End");
  const end = await until(page, "time", (t) => t > 149);
  assert.equal(end, 150);
  const [measured, law] = [await value(page, "log-det"), await value(page, "law")];
  assert.ok(Math.abs(measured - law) < 2e-3, `${measured} ${law}`);
  for (const scene of ["0", "1", "2", "3", "4"]) {
    await page.getByTestId("recording").selectOption(scene);
    assert.ok((await page.getByTestId("scene").textContent()).length > 80, `scene ${scene} says nothing`);
  }
  await page.getByTestId("recording").selectOption("3");
  await until(page, "time", (t) => t > 1 && t < 100);
  assert.deepEqual(errors, []);
  await context.close();
});

check("a run is watched while it goes on, is killed and resumed", async () => {
  const run = join(folder, "run");
  const set = ["--set", "run.trajectories=256", "--set", "run.time=300", "--set", "run.save.points=50"];
  const args = ["reproduce", "paper", "--out", run, "--quiet", "--threads", "1", "--checkpoint-seconds", "0.3", ...set];
  const watched = await serve("watch", "--no-open", run);
  const { page, context, errors } = await open(watched.address);
  const row = page.getByTestId("runs").locator("tbody tr").first();
  const state = async (wanted) => {
    const end = Date.now() + 60_000;
    while ((await row.getAttribute("data-state")) !== wanted) {
      assert.ok(Date.now() < end, `${await row.textContent()}`);
      await page.waitForTimeout(100);
    }
  };
  await state("waiting");
  const first = spawn(rankfall, args, { stdio: "ignore" });
  started.push(first);
  await state("running");
  await page.waitForFunction(() => document.querySelector("[data-testid=dynamics]").options.length >= 1, null, { timeout: 60_000 });
  first.kill("SIGKILL");
  await new Promise((resolve) => first.on("exit", resolve));
  const second = spawn(rankfall, [...args, "--resume"], { stdio: "ignore" });
  started.push(second);
  assert.equal(await new Promise((resolve) => second.on("exit", resolve)), 0);
  await state("finished");
  await page.waitForFunction(() => document.querySelector("[data-testid=dynamics]").options.length === 5);
  assert.match(await row.textContent(), /100 %/);
  assert.deepEqual(errors, []);
  await context.close();
});
