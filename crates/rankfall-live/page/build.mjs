// Bundles the page into one file, dist/page.html; with --check it only says whether that file is what the sources make.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";

const read = (name) => readFile(new URL(name, import.meta.url), "utf8");
const bundled = await build({
  entryPoints: [new URL("src/main.ts", import.meta.url).pathname],
  bundle: true,
  minify: true,
  target: "es2022",
  format: "iife",
  charset: "utf8",
  legalComments: "none",
  write: false,
});
const script = bundled.outputFiles[0].text.trim().replaceAll("</script", "<\\/script");
const style = `${await read("node_modules/uplot/dist/uPlot.min.css")}\n${await read("src/style.css")}`;
const licence = (await read("node_modules/uplot/LICENSE")).trim();
const page = (await read("src/page.html"))
  .replace("/* style */", () => style.trim())
  .replace("/* licence */", () => licence)
  .replace("/* script */", () => script);
const target = new URL("dist/page.html", import.meta.url);
if (process.argv.includes("--check")) {
  if ((await readFile(target, "utf8")) !== page) {
    console.error("dist/page.html is not what the sources make: npm run build");
    process.exit(1);
  }
} else {
  await mkdir(new URL("dist/", import.meta.url), { recursive: true });
  await writeFile(target, page);
  console.log(`dist/page.html: ${page.length} characters`);
}
