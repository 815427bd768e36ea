// Draws the stills of the live page in docs/figures: live.png, noise that is turned on at t = 10, up to t = 60; live-repulsion.png, the
// same noise with and without repulsion; live-survivors.png, the matrices of one trajectory in the end. RANKFALL names the program.
import { spawn } from "node:child_process";
import { chromium } from "playwright-core";

const child = spawn(process.env.RANKFALL ?? "rankfall", ["live", "--no-open"], { stdio: ["ignore", "pipe", "inherit"] });
const address = await new Promise((resolve) => child.stdout.once("data", (text) => resolve(String(text).trim())));
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
await browser.close();
child.kill();
