// Draws the stills of the live page in docs/figures: live.png, noise that is turned on after t = 10, up to t = 60; live-repulsion.png, the
// same noise with and without repulsion; live-survivors.png, the matrices of one trajectory in the end; live-sweep.png, a sweep that
// was stopped half-way. RANKFALL names the program.
import { spawn } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const rankfall = process.env.RANKFALL ?? "rankfall";
const folder = await mkdtemp(join(tmpdir(), "rankfall-still-"));
const started = [];

// A server, and the address that it prints.
async function serve(...args) {
  const child = spawn(rankfall, args, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  return new Promise((resolve) => child.stdout.once("data", (text) => resolve(String(text).trim())));
}

const address = await serve("live", "--no-open");
const flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
const page = await browser.newPage({ viewport: { width: 1300, height: 1010 } });
await page.goto(address);

const until = (time) =>
  page.waitForFunction((t) => Number(document.querySelector("[data-testid=time]").textContent) >= t, time, { timeout: 120_000 });
const set = async (id, value) => {
  await page.getByTestId(id).fill(String(value));
  await page.getByTestId(id).press("Enter");
};
const still = async (name, top = 0) => {
  await page.getByTestId("pause").click();
  // Until what was said at the side has gone.
  await page.waitForTimeout(6500);
  await page.evaluate((y) => window.scrollTo(0, y), top);
  await page.screenshot({ path: new URL(`../../../docs/figures/${name}.png`, import.meta.url).pathname });
};

await page.getByTestId("speed").fill("0.9");
await set("label-noise", 0);
await page.waitForTimeout(400);
await page.getByTestId("restart").click();
await page.waitForTimeout(400);
await until(10);
await set("label-noise", 2);
await until(60);
await still("live");

await page.getByTestId("scene-4").click();
await page.waitForTimeout(1000);
await until(150);
await still("live-repulsion");

await page.getByTestId("scene-5").click();
await page.waitForTimeout(1000);
await until(450);
await still("live-survivors", 560);

const SWEEP = `name = "plane"
[data]
kind = "gaussian"
samples = 200
inputs = 5
outputs = 2
[network]
width = 10
[[dynamics]]
kind = "sgd"
label_noise = 2.0
batch_size = 4
[run]
time = 20.0
trajectories = 64
`;
await writeFile(join(folder, "plane.toml"), SWEEP);
const over = ["--over", "dynamics.0.step_size=log(1e-3,0.3,12)", "--over", "dynamics.0.label_noise=0.25,0.5,1,2,4,8"];
const args = ["sweep", "plane.toml", ...over, "--out", "runs/plane", "--quiet", "--checkpoint-seconds", "0.1"];
const sweep = spawn(rankfall, args, { cwd: folder, stdio: "ignore" });
started.push(sweep);
await page.setViewportSize({ width: 1100, height: 640 });
await page.goto(await serve("watch", "--no-open", "runs/plane"));
const half = () => Number(/(\d+) of 72/.exec(document.querySelector("[data-testid=runs]").textContent)?.[1]) >= 36;
await page.waitForFunction(half, null, { timeout: 120_000 });
sweep.kill("SIGKILL");
await page.getByTestId("quantity").selectOption("log_det_fall");
await page.waitForTimeout(3000);
await page.screenshot({ path: new URL("../../../docs/figures/live-sweep.png", import.meta.url).pathname, fullPage: true });
await browser.close();
for (const child of started) child.kill();
