// Tabs on one server for as long as is said, then paused: memory of server and browser, frames a second, and what
// paused pages cost. A row a minute is printed. For Linux, whose /proc it reads. RANKFALL names the program, CHROMIUM
// the browser:
//
//     node tabs.mjs [MINUTES [TABS]]
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { chromium } from "playwright-core";

const minutes = Number(process.argv[2] ?? 60);
const tabs = Number(process.argv[3] ?? 10);
const child = spawn(process.env.RANKFALL ?? "rankfall", ["live", "--no-open"], { stdio: ["ignore", "pipe", "inherit"] });
const address = await new Promise((resolve) => child.stdout.once("data", (text) => resolve(String(text).trim())));
const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const server = await chromium.launchServer({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const browser = await chromium.connect(server.wsEndpoint());

// Fields of /proc/PID/stat from the state on; none of a process that is gone.
function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

// A process and all that came of it.
function family(pid) {
  const parents = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((name) => [Number(name), Number(stat(name)?.[1])]);
  const found = [pid];
  for (const one of found) found.push(...parents.filter(([, parent]) => parent === one).map(([id]) => id));
  return found;
}

// Memory that several processes share is counted once: each has its part of it.
function memory(pid) {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0) / 1000;
  } catch {
    return 0;
  }
}

const seconds = (pids) => pids.reduce((sum, pid) => sum + Number(stat(pid)?.[11] ?? 0) + Number(stat(pid)?.[12] ?? 0), 0) / 100;
const megabytes = (pids) => pids.reduce((sum, pid) => sum + memory(pid), 0);

// A context each, so that no tab is in the background.
const pages = [];
for (let i = 0; i < tabs; i += 1) {
  const page = await (await browser.newContext({ viewport: { width: 1000, height: 700 } })).newPage();
  await page.goto(address);
  await page.evaluate(() => {
    window.frames_seen = 0;
    const seen = new MutationObserver(() => (window.frames_seen += 1));
    seen.observe(document.querySelector("dd[data-testid=step]"), { childList: true, characterData: true, subtree: true });
  });
  pages.push(page);
}

async function measure(words, span) {
  const own = () => [[child.pid], family(server.process().pid)];
  const frames = () => Promise.all(pages.map((page) => page.evaluate(() => window.frames_seen)));
  const [before, shown, begun] = [own().map(seconds), await frames(), Date.now()];
  await new Promise((resolve) => setTimeout(resolve, span * 1000));
  const passed = (Date.now() - begun) / 1000;
  const rates = (await frames()).map((count, i) => (count - shown[i]) / passed);
  const [ofServer, ofBrowser] = own().map((pids, i) => (100 * (seconds(pids) - before[i])) / passed);
  const [held, heldByBrowser] = own().map(megabytes);
  const row = [
    words, held.toFixed(1), heldByBrowser.toFixed(0), Math.min(...rates).toFixed(1), Math.max(...rates).toFixed(1),
    ofServer.toFixed(2), ofBrowser.toFixed(2),
  ];
  console.log(`| ${row.join(" | ")} |`);
}

console.log("| after | server, MB | browser, MB | frames a second, least | most | processor of server, % | of browser, % |");
console.log("|---|---|---|---|---|---|---|");
for (let minute = 1; minute <= minutes; minute += 1) await measure(`${minute} min`, 60);
for (const page of pages) await page.getByTestId("pause").click();
await new Promise((resolve) => setTimeout(resolve, 3000));
await measure("paused", 60);
await browser.close();
await server.close();
child.kill();
