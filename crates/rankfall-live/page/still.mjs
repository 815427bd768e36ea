// Draws docs/figures/live.png: noise is turned on at t = 10, and the picture taken at t = 60. RANKFALL names the program.
import { spawn } from "node:child_process";
import { chromium } from "playwright-core";

const child = spawn(process.env.RANKFALL ?? "rankfall", ["live", "--no-open"], { stdio: ["ignore", "pipe", "inherit"] });
const address = await new Promise((resolve) => child.stdout.once("data", (text) => resolve(String(text).trim())));
const flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
const page = await browser.newPage({ viewport: { width: 1300, height: 1010 } });
await page.goto(address);

const until = (time) => page.waitForFunction((t) => Number(document.querySelector("[data-testid=time]").textContent) >= t, time);
const set = async (id, value) => {
  await page.getByTestId(id).fill(String(value));
  await page.getByTestId(id).press("Enter");
};
await page.getByTestId("speed").fill("0.9");
await set("label-noise", 0);
await page.waitForTimeout(400);
await page.getByTestId("restart").click();
await page.waitForTimeout(400);
await until(10);
await set("label-noise", 2);
await until(60);
await page.getByTestId("pause").click();
await page.waitForTimeout(6500);
await page.evaluate(() => window.scrollTo(0, 0));
await page.screenshot({ path: new URL("../../../docs/figures/live.png", import.meta.url).pathname });
await browser.close();
child.kill();
