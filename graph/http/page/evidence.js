// What a match says, in words and as a length between 0 and 1.

import { counted } from "./dom.js";

const metrics = new Map(Object.entries({ phash: "hamming", color: "l1", local: "inliers", text: "words" }));
const UNRELATED = { hamming: 288, l1: 2, cosine: 1, words: 1 }; // distance at which two pictures have nothing in common
const MANY_INLIERS = 100;

const metricOf = (feature) => metrics.get(feature) ?? "cosine";

/** Take the metrics that the service names for its features. */
export function learnMetrics(features) {
  for (const { name, metric } of features) if (metric in UNRELATED || metric === "inliers") metrics.set(name, metric);
}

/** "4 bits", "0.12", "83 points", or null where the match carries no number. */
export function measure(feature, match) {
  const metric = metricOf(feature);
  if (metric === "inliers" && match.inliers !== undefined) return counted(match.inliers, "point");
  if (typeof match.distance !== "number") return null;
  if (metric === "hamming") return counted(match.distance, "bit");
  return match.distance > 0 && match.distance < 0.005 ? "< 0.01" : match.distance.toFixed(2);
}

/** How alike the pictures are by this feature: 1 the same, 0 unrelated. */
export function closeness(feature, match) {
  const metric = metricOf(feature);
  if (metric === "inliers") return Math.min(1, Math.log1p(match.inliers ?? 0) / Math.log1p(MANY_INLIERS));
  return typeof match.distance === "number" ? Math.max(0, 1 - match.distance / UNRELATED[metric]) : 0;
}

/** The words that a search found in the photo: [{word, box}], box: corners [x, y] in pixels of the photo. */
export function foundWords(matches) {
  return Object.values(matches).flatMap(({ words }) => (Array.isArray(words) ? words : []));
}

export const score = (number) => String(Number(number.toPrecision(3)));
