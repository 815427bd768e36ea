// How long the first frame takes: from the start of the program, and from the opening of the page, to the first values
// in it. RANKFALL names the program, CHROMIUM the browser:
//
//     node first.mjs [TIMES]
import { spawn } from "node:child_process";
import { chromium } from "playwright-core";

const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
for (let i = 0; i < Number(process.argv[2] ?? 5); i += 1) {
  const page = await browser.newPage();
  const started = performance.now();
  const child = spawn(process.env.RANKFALL ?? "rankfall", ["live", "--no-open"], { stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise((resolve) => child.stdout.once("data", (text) => resolve(String(text).trim())));
  const listening = performance.now();
  await page.goto(address, { waitUntil: "commit" });
  await page.waitForFunction(() => /\d/.test(document.querySelector("dd[data-testid=log-det]")?.textContent ?? ""));
  const shown = performance.now();
  console.log(`program ${(listening - started).toFixed(0)} ms, page ${(shown - listening).toFixed(0)} ms, together ${(shown - started).toFixed(0)} ms`);
  await page.close();
  child.kill();
}
await browser.close();
