// The collection as it is now: how many photos, what is being indexed, a few photos to start from.

import { features, jobs, someImages, stats } from "./api.js";
import { byId, counted, element } from "./dom.js";
import { showFeatures } from "./options.js";
import { learnMetrics } from "./evidence.js";
import { shardsText } from "./notices.js";
import { showJobs } from "./jobs.js";
import { thumbnail } from "./pictures.js";

const WHILE_INDEXING_MS = 1500;
const OTHERWISE_MS = 10_000;
const SAMPLES = 12;
const SAMPLED_FROM = 120; // neighbours by id are often alike: take some that stand apart

let timer = 0;
let shownImages = -1; // number of images when the samples were last drawn

/** Show the collection, and keep showing it. `searchFrom` is given the id of a sample that was chosen. */
export function watchCollection(searchFrom) {
  const look = async () => {
    clearTimeout(timer);
    const running = await refresh(searchFrom);
    clearTimeout(timer);
    timer = setTimeout(look, running ? WHILE_INDEXING_MS : OTHERWISE_MS);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else look();
  });
  return look();
}

async function refresh(searchFrom) {
  const [seenFeatures, seenJobs, seenStats] = await Promise.allSettled([features(), jobs(), stats()]);
  if (seenFeatures.status === "fulfilled") {
    learnMetrics(seenFeatures.value);
    showFeatures(seenFeatures.value);
  }
  const running = seenJobs.status === "fulfilled" && showJobs(seenJobs.value);
  showStats(seenStats, running);
  if (seenStats.status === "fulfilled") await refreshSamples(seenStats.value.images, searchFrom);
  return running;
}

function showStats({ status, value, reason }, running) {
  const line = byId("collection");
  line.classList.toggle("trouble", status === "rejected" || Boolean(value.missing_shards?.length));
  if (status === "rejected") {
    line.textContent = reason.message;
    return;
  }
  line.textContent = [counted(value.images, "photo"), ...missingText(value)].join(" · ");
  document.body.dataset.empty = String(value.images === 0);
  byId("empty").hidden = value.images > 0 || running || Boolean(value.missing_shards?.length);
}

function missingText({ missing_shards: missing, pending }) {
  const waiting = Math.max(0, ...Object.values(pending ?? {}));
  return [
    missing?.length ? `${shardsText(missing)} not answering` : null,
    waiting ? `${counted(waiting, "photo")} waiting for a feature` : null,
  ].filter(Boolean);
}

async function refreshSamples(images, searchFrom) {
  if (images === shownImages) return;
  const found = await someImages(SAMPLED_FROM).catch(() => null);
  if (found === null) return;
  shownImages = images;
  byId("sample-list").replaceChildren(...spread(found).map(({ id }) => sample(id, searchFrom)));
  byId("samples").hidden = found.length === 0;
}

function spread(images) {
  const step = Math.max(1, images.length / SAMPLES);
  return Array.from({ length: Math.min(SAMPLES, images.length) }, (_, index) => images[Math.floor(index * step)]);
}

function sample(id, searchFrom) {
  const button = element("button", { type: "button", className: "shot", title: id, "aria-label": `Search from ${id}` }, thumbnail(id, ""));
  button.addEventListener("click", () => searchFrom(id));
  return element("li", {}, button);
}
