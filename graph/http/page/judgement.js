// What a result is to the photo that was searched with: its group, its badge, and how the two lie.

const STRONG = new Set(["same", "edited", "crop", "contains", "overlap"]);
const PROVEN = 0.5; // the least confidence of a strong relation that counts
const LEAST_TURN = 3; // degrees
const WORDS = {
  same: "Same picture", edited: "Edited", crop: "Crop", contains: "Contains it", overlap: "Overlaps it", scene: "Same scene", similar: "Similar",
};
const GROUPS = [
  { title: "", holds: isStrong },
  { title: "Perhaps the same picture: a part of the service did not answer", holds: isUnsure },
  { title: "The same scene", holds: ({ relation }) => relation === "scene" },
  { title: "Similar", holds: ({ relation }) => relation === "similar" },
  { title: "The nearest, whatever they are", holds: () => true },
];

export function isStrong({ relation, confidence }) {
  return STRONG.has(relation) && confidence >= PROVEN;
}

/** Whether it would be strong, but for a part of the service that did not answer. */
export function isUnsure({ relation, confidence }) {
  return STRONG.has(relation) && typeof confidence !== "number";
}

/** [{title, results}], in the order in which they come, none of them empty. */
export function groups(results) {
  const groupOf = (result) => GROUPS.find(({ holds }) => holds(result));
  return GROUPS.map((group) => ({ title: group.title, results: results.filter((result) => groupOf(result) === group) }))
    .filter(({ results: own }) => own.length);
}

/** "Edited, 98 %", "Edited, perhaps", or null where nothing stands out. Only what is certain has 100. */
export function badge({ relation, confidence }) {
  if (!relation) return null;
  const word = WORDS[relation] ?? relation;
  if (typeof confidence !== "number" && (relation === "scene" || STRONG.has(relation))) return `${word}, perhaps`;
  return typeof confidence === "number" ? `${word}, ${confidence === 1 ? 100 : Math.min(99, Math.round(confidence * 100))}\u00a0%` : word;
}

/** "27 % of it, mirrored, rotated 90° clockwise"; of a similar photo by what it is; empty where there is nothing to say. */
export function inWords({ relation, because, overlap, transform }) {
  if (relation === "similar") return because?.length ? `By ${because.join(", ")}` : "";
  const words = [share(relation, overlap), transform?.mirrored ? "mirrored" : "", turn(transform?.rotation_deg ?? 0)].filter(Boolean).join(", ");
  return words && words[0].toUpperCase() + words.slice(1);
}

function share(relation, overlap) {
  if (!overlap) return "";
  if (relation === "contains") return `it fills ${percent(overlap.of_query)} of the searched photo`;
  return relation === "crop" || relation === "overlap" ? `${percent(overlap.of_stored)} of it` : "";
}

const percent = (part) => `${part < 0.005 ? "under 1" : Math.round(part * 100)}\u00a0%`;

function turn(clockwise) {
  const degrees = Math.round(((clockwise % 360) + 540) % 360) - 180; // -180 to 180
  if (Math.abs(degrees) < LEAST_TURN) return "";
  if (Math.abs(degrees) === 180) return "rotated 180°";
  return `rotated ${Math.abs(degrees)}° ${degrees > 0 ? "clockwise" : "counterclockwise"}`;
}
