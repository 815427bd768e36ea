// The page in a real browser, against a real server. RANKFALL names the program, CHROMIUM the browser.
// Where there is no browser the tests are left out, with a word; where CI is set that is an error.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inflateRawSync } from "node:zlib";
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

async function open(address, { language, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  const page = await context.newPage();
  if (language !== undefined)
    await page.addInitScript((is) => Object.defineProperty(Navigator.prototype, "language", { get: () => is }), language);
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

// The files of a ZIP archive, by their names in it.
function unzipped(bytes) {
  const end = bytes.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  let at = bytes.readUInt32LE(end + 16);
  const files = new Map();
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [method, size] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20)];
    const [name, extra, comment] = [28, 30, 32].map((place) => bytes.readUInt16LE(at + place));
    const local = bytes.readUInt32LE(at + 42);
    const from = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const packed = bytes.subarray(from, from + size);
    files.set(bytes.toString("utf8", at + 46, at + 46 + name), method === 8 ? inflateRawSync(packed) : packed);
    at += 46 + name + extra + comment;
  }
  return files;
}

// Runs the program to its end; what it printed.
async function run(...args) {
  const child = spawn(rankfall, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  assert.equal(await new Promise((resolve) => child.on("exit", resolve)), 0, args.join(" "));
  return text;
}

// Starts the program and kills it once `seen`, which can ask whether it is over; returns whether it was killed on its way.
async function killed(args, seen) {
  const child = spawn(rankfall, args, { stdio: "ignore" });
  started.push(child);
  const ended = new Promise((resolve) => child.on("exit", resolve));
  await seen(() => child.exitCode !== null);
  const onItsWay = child.exitCode === null;
  child.kill("SIGKILL");
  await ended;
  return onItsWay;
}

async function violations(page) {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run());
  return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
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

check("a browser whose language does not exist, as under the locale C, shows the page as well", async () => {
  const { page, context, errors } = await open(live.address, { language: "en-US@posix" });
  await until(page, "time", (t) => t > 0);
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
  for (const id of ["dynamics", "label-noise", "step-size", "repulsion", "width", "pause", "restart", "speed", "time-axis", "scene-1", "as-a-file", "run-folder"]) {
    assert.ok(reached.has(id), `${id} in ${[...reached]}`);
  }
  await page.getByTestId("pause").focus();
  await page.keyboard.press("Space");
  assert.equal(await page.getByTestId("pause").textContent(), "Go on");
  await context.close();
});

check("axe finds no violation, light and dark, wide and narrow", async () => {
  for (const options of [
    { colorScheme: "light" },
    { colorScheme: "dark" },
    { viewport: { width: 360, height: 740 }, colorScheme: "dark" },
    { viewport: { width: 2560, height: 1300 }, reducedMotion: "reduce" },
  ]) {
    const { page, context } = await open(live.address, { bypassCSP: true, ...options });
    await until(page, "time", (t) => t > 0.5);
    assert.deepEqual(await violations(page), [], JSON.stringify(options));
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
  const out = join(folder, "run");
  const set = ["--set", "run.trajectories=256", "--set", "run.save.points=50"];
  const args = (time) => [
    "reproduce", "paper", "--out", out, "--quiet", "--threads", "1", "--checkpoint-seconds", "0.3", ...set, "--set", `run.time=${time}`,
  ];
  const watched = await serve("watch", "--no-open", out);
  const { page, context, errors } = await open(watched.address);
  const row = page.getByTestId("runs").locator("tbody tr").first();
  const state = async (wanted, over = () => false) => {
    const end = Date.now() + 60_000;
    while ((await row.getAttribute("data-state")) !== wanted && !over()) {
      assert.ok(Date.now() < end, `${await row.textContent()}`);
      await page.waitForTimeout(50);
    }
  };
  const dynamics = () => page.evaluate(() => document.querySelector("[data-testid=dynamics]").options.length);
  await state("waiting");
  const seen = async (isOver) => {
    await state("running", isOver);
    while ((await dynamics()) < 1 && !isOver()) await page.waitForTimeout(50);
  };
  // Ever longer ones, until one is killed on its way.
  let time = 300;
  while (!(await killed([...args(time), "--force"], seen))) time *= 4;
  await run(...args(time), "--resume");
  await state("finished");
  await page.waitForFunction(() => document.querySelector("[data-testid=dynamics]").options.length === 5);
  assert.match(await row.textContent(), /100 %/);
  assert.deepEqual(errors, []);
  await context.close();
});

check("on a logarithmic axis marks and law are where they belong, by keyboard and in the link", async () => {
  const { page, context, errors } = await open(live.address);
  await page.getByTestId("speed").fill("1.3");
  await until(page, "time", (t) => t > 20);
  await set(page, "label-noise", 4);
  await page.waitForFunction(() => document.getElementById("announcements").textContent.includes("label noise 2 → 4"));
  const said = await page.locator("#announcements").textContent();
  const changed = number(/t = ([\d.]+)/.exec(said)[1]);
  await until(page, "time", (t) => t > changed + 100);
  await pause(page);
  const picture = async () => {
    const [svg] = await Promise.all([page.waitForEvent("download"), page.getByTestId("svg").click()]);
    return readFile(await svg.path(), "utf8");
  };
  const markAt = (text) => number(/<path d="M([\d.]+) [^>]*stroke-dasharray="2 3"/.exec(text)[1]);
  const end = await value(page, "time");
  const linear = await picture();
  assert.ok(Math.abs(markAt(linear) - (60 + (changed / end) * 560)) < 1.5, `${markAt(linear)}`);
  await page.getByTestId("time-axis").focus();
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction(() => window.location.hash.includes("time=log"));
  const logarithmic = await picture();
  const [csv] = await Promise.all([page.waitForEvent("download"), page.getByTestId("csv").click()]);
  const rows = (await readFile(await csv.path(), "utf8")).trim().split("\n").slice(1);
  const start = rows.map((row) => Number(row.split(",")[0])).find((t) => t > 0);
  const place = (t) => 60 + (Math.log(t / start) / Math.log(end / start)) * 560;
  assert.ok(Math.abs(markAt(logarithmic) - place(changed)) < 1.5, `${markAt(logarithmic)} ${place(changed)}`);
  // The law after the change is straight over time: so are its points, put back.
  const law = /<path d="([^"]*)"[^>]*><title>law<\/title>/.exec(logarithmic)[1];
  const points = [...law.matchAll(/([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [start * (end / start) ** ((x - 60) / 560), Number(y)]);
  const after = points.filter(([t]) => t > changed * 1.02);
  assert.ok(after.length > 20);
  const [[t0, y0], [t1, y1]] = [after[0], after.at(-1)];
  for (const [t, y] of after) assert.ok(Math.abs(y - (y0 + ((t - t0) / (t1 - t0)) * (y1 - y0))) < 1.5, `${t} ${y}`);
  await page.getByTestId("link").click();
  const again = await open(page.url());
  assert.equal(await again.page.getByTestId("time-axis").inputValue(), "logarithmic");
  assert.equal(await again.page.getByTestId("label-noise").inputValue(), "4");
  await again.context.close();
  assert.deepEqual(errors, []);
  await context.close();
});

check("the run so far is a run folder that rankfall plot draws", async () => {
  const { page, context, errors } = await open(live.address);
  await until(page, "time", (t) => t > 2);
  await set(page, "label-noise", 3);
  await until(page, "time", (t) => t > 5);
  await pause(page);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByTestId("run-folder").click()]);
  const files = unzipped(await readFile(await file.path()));
  await mkdir(join(folder, "paper-live"), { recursive: true });
  for (const [name, content] of files) await writeFile(join(folder, name), content);
  const summary = JSON.parse(files.get("paper-live/summary.json"));
  assert.match(summary.warnings[0], /a live run that was not finished/);
  assert.match(summary.warnings[1], /label noise 2 → 3/);
  assert.match(await run("plot", join(folder, "paper-live")), /\d+ figures in/);
  assert.ok(existsSync(join(folder, "paper-live/figures/singular_values_theta.svg")));
  const shown = await value(page, "log-det");
  const kept = summary.dynamics[0].log_det.final_mean;
  assert.ok(Math.abs(shown - kept) < 1e-3, `${shown} ${kept}`);
  assert.deepEqual(errors, []);
  await context.close();
});

const SWEEP = `name = "plane"
[data]
kind = "gaussian"
samples = 100
inputs = 3
outputs = 2
[network]
width = 6
[[dynamics]]
kind = "sgd"
batch_size = 4
[run]
time = 400
trajectories = 16
`;

check("a sweep is watched while it fills up, is killed and resumed", async () => {
  const [file, out] = [join(folder, "plane.toml"), join(folder, "plane")];
  await writeFile(file, SWEEP);
  const over = ["--over", "dynamics.0.step_size=log(0.003,0.1,8)", "--over", "dynamics.0.label_noise=0.5,1,2,4"];
  const args = (time) => [
    "sweep", file, ...over, "--set", `run.time=${time}`, "--out", out, "--quiet", "--threads", "1", "--checkpoint-seconds", "0.2",
  ];
  const watched = await serve("watch", "--no-open", out);
  const { page, context, errors } = await open(watched.address, { bypassCSP: true });
  const row = page.getByTestId("runs").locator("tbody tr").first();
  const words = async (pattern, over = () => false) => {
    const end = Date.now() + 60_000;
    while (!pattern.test(await row.textContent()) && !over()) {
      assert.ok(Date.now() < end, await row.textContent());
      await page.waitForTimeout(50);
    }
  };
  const values = page.getByTestId("values");
  const unfinished = () => values.locator("td", { hasText: "not finished" }).count();
  // Ever longer ones, until one is killed on its way.
  let time = 400;
  const some = /\D([1-9]|[12]\d|3[01]) of 32 points/;
  while (!(await killed([...args(time), "--force"], (isOver) => words(some, isOver)))) time *= 2;
  await values.locator("summary").click();
  await page.waitForFunction(() => document.querySelectorAll("[data-testid=values] tbody tr").length === 32);
  const before = await unfinished();
  assert.ok(before > 0 && before < 32, `${before}`);
  await run(...args(time), "--resume");
  await words(/finished.*100 %.*32 of 32 points/);
  await page.waitForFunction(() => !document.querySelector("[data-testid=values]").textContent.includes("not finished"));
  await page.getByTestId("sweep").focus();
  for (const key of ["ArrowRight", "ArrowRight", "ArrowUp"]) await page.keyboard.press(key);
  const point = page.getByTestId("point");
  assert.match(await point.textContent(), /label noise δ = 1: effective rank of Θ [\d.]+ ± /);
  await page.getByTestId("quantity").selectOption("log_det_fall");
  await page.waitForFunction(() => document.querySelector("[data-testid=point]").textContent.includes("rate of fall of log det"));
  const [, measured, predicted] = /log det ([\d.]+) ± .*predicted ([\d.]+)/.exec(await point.textContent());
  assert.ok(Math.abs(measured / predicted - 1) < 0.5, `${measured} ${predicted}`);
  assert.deepEqual(await violations(page), []);
  await page.setViewportSize({ width: 360, height: 740 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)) <= 0);
  assert.deepEqual(errors, []);
  await context.close();
});

check("shards are watched each by itself and as a whole, one of them killed and resumed", async () => {
  const set = ["--set", "run.trajectories=64", "--set", "run.time=200", "--set", "run.save.points=20"];
  const args = (index) => [
    "reproduce", "paper", "--shard", `${index}/2`, "--out", join(folder, "shards", `${index}`),
    "--quiet", "--threads", "1", "--checkpoint-seconds", "0.1", ...set,
  ];
  await run(...args(1));
  const watched = await serve("watch", "--no-open", join(folder, "shards"));
  const { page, context, errors } = await open(watched.address);
  const rows = page.getByTestId("runs").locator("tbody tr th");
  const heads = async (...patterns) => {
    const end = Date.now() + 60_000;
    for (;;) {
      const found = await rows.allTextContents();
      if (found.length === patterns.length && patterns.every((pattern, i) => pattern.test(found[i]))) return;
      assert.ok(Date.now() < end, found.join(" | "));
      await page.waitForTimeout(50);
    }
  };
  await heads(/1 of 2 shards; missing: 2/, /shard 1 of 2/);
  await killed(args(2), () => heads(/all 2 shards/, /shard 1 of 2/, /shard 2 of 2/));
  const whole = page.getByTestId("runs").locator("tbody tr").first();
  assert.match(await whole.textContent(), /\d+ of (1|64) trajectories/);
  await run(...args(2), "--resume");
  await page.waitForFunction(() => document.querySelector("[data-testid=runs] tbody tr").dataset.state === "finished");
  await page.waitForFunction(() => document.querySelector("[data-testid=dynamics]").options.length === 5);
  assert.match(await page.getByTestId("runs").textContent(), /64 of 64 trajectories/);
  assert.deepEqual(errors, []);
  await context.close();
});
