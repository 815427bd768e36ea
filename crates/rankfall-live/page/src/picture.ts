// What is seen, as a picture: PNG of the canvases, SVG of the charts.
import type { Chart } from "./charts";
import { color, number, superscript } from "./dom";
import type { History } from "./history";
import type { ParticleView } from "./particles";

const GAP = 24;

export async function png(charts: Chart[], particles: ParticleView): Promise<Blob> {
  const all = [...charts.flatMap((c) => (c.canvas ? [{ title: c.title, canvas: c.canvas }] : [])), { title: "Eigenvalues and the forces on them", canvas: particles.canvas }];
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(...all.map((one) => one.canvas.width)) + 2 * GAP * ratio;
  const height = all.reduce((sum, one) => sum + one.canvas.height + 2 * GAP * ratio, GAP * ratio);
  const sheet = document.createElement("canvas");
  sheet.width = width;
  sheet.height = height;
  const draw = sheet.getContext("2d");
  if (!draw) throw new Error("this browser draws no pictures");
  draw.fillStyle = color("--paper");
  draw.fillRect(0, 0, width, height);
  draw.fillStyle = color("--ink");
  draw.font = `600 ${14 * ratio}px system-ui, sans-serif`;
  let y = GAP * ratio;
  for (const one of all) {
    draw.fillText(one.title, GAP * ratio, y + 12 * ratio);
    draw.drawImage(one.canvas, GAP * ratio, y + 18 * ratio);
    y += one.canvas.height + 2 * GAP * ratio;
  }
  return new Promise((resolve, reject) =>
    sheet.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture cannot be made"))), "image/png"),
  );
}

const WIDTH = 640;
const HEIGHT = 300;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

export function svg(charts: Chart[], history: History): string {
  const parts = charts.map((chart, place) => one(chart, history, place * (HEIGHT + 10)));
  const height = charts.length * (HEIGHT + 10);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="${color("--paper")}"/>${parts.join("")}</svg>\n`;
}

function one(chart: Chart, history: History, top: number): string {
  const { times, of } = chart.points(history);
  if (times.length === 0) return "";
  const lines = chart.shown.map((line) => ({ line, values: of(line.key) }));
  const all = lines.flatMap(({ values }) => values.filter((v): v is number => v !== null));
  const low = Math.min(...all);
  const high = Math.max(...all);
  const end = times.at(-1) ?? 1;
  const start = times[0] ?? 0;
  const logarithmic = chart.timeAxis === "logarithmic";
  const along = (t: number) => (logarithmic ? Math.log(Math.max(t, start) / start) / (Math.log(end / start) || 1) : (t - start) / (end - start || 1));
  const x = (t: number) => 60 + along(t) * (WIDTH - 80);
  const y = (v: number) => top + 30 + ((high - v) / (high - low || 1)) * (HEIGHT - 70);
  const paths = lines.map(({ line, values }) => {
    let pen = "M";
    let path = "";
    values.forEach((value, i) => {
      if (value === null) pen = "M";
      else {
        path += `${pen}${x(times[i] ?? 0).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = "L";
      }
    });
    const dash = line.dashed ? ' stroke-dasharray="6 4"' : "";
    return path ? `<path d="${path}" fill="none" stroke="${color(line.color)}" stroke-width="1.6"${dash}><title>${escape(line.label)}</title></path>` : "";
  });
  const label = (v: number) => (chart.logarithmic ? `10${superscript(Math.round(v))}` : number(v, 3));
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = chart.logarithmic ? Math.round(low + share * (high - low)) : low + share * (high - low);
    const time = logarithmic ? start * (end / start) ** share : start + share * (end - start);
    const ink = color("--muted");
    return `<text x="54" y="${y(value) + 4}" text-anchor="end" fill="${ink}">${label(value)}</text><text x="${x(time)}" y="${top + HEIGHT - 22}" text-anchor="middle" fill="${ink}">${number(time, 3)}</text>`;
  });
  const ink = color("--ink");
  const marks = history.marks.slice(-8).map((mark, place) => {
    const at = x(mark.time).toFixed(1);
    const words = `<text x="${at}" y="${top + 40 + 13 * (place % 3)}" dx="3" fill="${ink}">${escape(mark.words)}</text>`;
    return `<path d="M${at} ${top + 30}V${top + HEIGHT - 40}" stroke="${ink}" stroke-dasharray="2 3"/>${words}`;
  });
  const frame = `<path d="M60 ${top + 30}V${top + HEIGHT - 40}H${WIDTH - 20}" fill="none" stroke="${color("--muted")}"/>`;
  const title = `<text x="60" y="${top + 18}" font-weight="bold" fill="${color("--ink")}">${escape(chart.title)}</text>`;
  return `<g>${title}${frame}${ticks.join("")}${paths.join("")}${marks.join("")}</g>`;
}
