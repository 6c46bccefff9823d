// Batch jobs: a progress bar while one runs, one line when it has ended, a button to end one that watches folders.

import { stopJob } from "./api.js";
import { byId, counted, element, grouped, prose } from "./dom.js";

const DOING = { index: "Indexing photos", train: "Training an index", backfill: "Computing missing features", reshard: "Moving shards" };
const ENDED = { succeeded: "Finished", failed: "Failed", stopped: "Stopped" };
const ACTIVE = new Set(["queued", "running"]);

const watched = new Set(); // jobs seen at work during this visit: only their end is news
const dismissed = new Set();
const rows = new Map();

/** Draw the jobs at work and those that ended while the page was open. Returns whether one has something to do. */
export function showJobs(jobs) {
  const news = jobs.filter((job) => ACTIVE.has(job.state) || (watched.has(job.id) && !dismissed.has(job.id)));
  for (const job of news) watched.add(job.id);
  for (const id of [...rows.keys()]) if (!news.some((job) => job.id === id)) forget(id);
  for (const job of news) drawRow(job);
  byId("jobs").hidden = news.length === 0;
  return news.some((job) => ACTIVE.has(job.state) && !isIdle(job));
}

/** Whether it only waits for something to change in its folders. */
function isIdle({ state, arguments: told, total, done }) {
  return state === "running" && told?.watch === true && total > 0 && done >= total;
}

function forget(id) {
  rows.get(id).node.remove();
  rows.delete(id);
}

function drawRow(job) {
  const row = rows.get(job.id) ?? newRow(job);
  const active = ACTIVE.has(job.state);
  const idle = isIdle(job);
  row.title.textContent = titleOf(job);
  row.numbers.replaceChildren(...prose(numbersOf(job)));
  row.bar.hidden = row.percent.hidden = !active || idle;
  row.dismiss.hidden = active;
  row.stop.hidden = !active || job.arguments?.watch !== true;
  row.node.dataset.state = job.state;
  drawBar(row, job);
}

function titleOf(job) {
  const { kind, state, arguments: told } = job;
  const folders = told?.watch ? told.paths.join(", ") : "";
  if (folders && state === "stopped") return `Watched no longer: ${folders}`;
  const doing = isIdle(job) ? `Watching ${folders}` : `${DOING[kind] ?? kind}${folders && ` in ${folders}`}`;
  return ACTIVE.has(state) ? doing : `${doing}: ${(ENDED[state] ?? state).toLowerCase()}`;
}

function drawBar({ bar, percent }, { total, done }) {
  if (total > 0) {
    bar.max = total;
    bar.value = Math.min(done, total);
    percent.textContent = `${Math.floor((100 * Math.min(done, total)) / total)} %`;
  } else {
    bar.removeAttribute("value");
    percent.textContent = "";
  }
}

function newRow(job) {
  const bar = element("progress", { "aria-label": DOING[job.kind] ?? job.kind });
  const title = element("strong", { role: "status" });
  const percent = element("span", { className: "percent" });
  const numbers = element("p", { className: "numbers" });
  const dismiss = element("button", { type: "button", className: "quiet", textContent: "Dismiss", hidden: true });
  const stop = element("button", { type: "button", className: "quiet", textContent: "Stop watching", hidden: true });
  const head = element("div", { className: "job-head" }, title, percent);
  const node = element("div", { className: "job" }, head, bar, numbers, stop, dismiss);
  stop.addEventListener("click", async () => {
    stop.disabled = true;
    try {
      drawRow(await stopJob(job.id));
    } catch (error) {
      numbers.replaceChildren(...prose([error.message, error.hint].filter(Boolean).join(" ")));
    }
    stop.disabled = false;
  });
  dismiss.addEventListener("click", () => {
    dismissed.add(job.id);
    forget(job.id);
    byId("jobs").hidden = rows.size === 0;
  });
  const row = { node, title, percent, bar, numbers, stop, dismiss };
  rows.set(job.id, row);
  byId("jobs").append(node);
  return row;
}

function numbersOf(job) {
  if (job.state === "queued") return "Waiting to start";
  const parts = job.kind === "backfill" ? countsOfBackfill(job) : countsOfIndexing(job);
  const looked = isIdle(job) ? `last looked at ${new Date(job.updated_at).toLocaleTimeString("en")}` : null;
  return [...parts, looked, job.state === "failed" && job.message ? job.message : null].filter(Boolean).join(" · ");
}

function countsOfIndexing({ id, total, done, added, replaced, unchanged, failed, report }) {
  return [
    total > 0 ? `${grouped(done)} of ${counted(total, "file")}` : "Looking for files",
    added ? `${grouped(added)} added` : null,
    replaced ? `${grouped(replaced)} replaced` : null,
    report?.moved ? `${grouped(report.moved)} moved` : null,
    report?.missing?.count ? `${grouped(report.missing.count)} whose file is gone` : null,
    unchanged ? `${grouped(unchanged)} unchanged` : null,
    failed ? `${grouped(failed)} could not be taken (\`lookalike jobs ${id}\` lists them)` : null,
  ];
}

function countsOfBackfill({ id, total, done, added, failed }) {
  return [
    total > 0 ? `${grouped(done)} of ${counted(total, "photo")}` : "Looking for photos",
    added ? `${counted(added, "feature")} filled in` : null,
    failed ? `${grouped(failed)} could not be filled in (\`lookalike jobs ${id}\` lists them)` : null,
  ];
}
