// What went wrong or is missing, in plain sight above the results.

import { byId, element, prose } from "./dom.js";

const WORDS = {
  unavailable: "is not available",
  timeout: "did not answer in time",
  error: "failed",
  pending: "is not computed yet for this photo",
  no_match: "has nothing to compare with",
};

export const clearNotices = () => byId("notices").replaceChildren();

/** `tone`: "error", "warning" or "note". `lines`: one sentence each. `action`: {label, run}, or none. */
function show(tone, title, lines, action) {
  const button = action && element("button", { type: "button", textContent: action.label });
  button?.addEventListener("click", action.run);
  byId("notices").append(
    element(
      "div",
      { className: `notice ${tone}`, role: tone === "error" ? "alert" : "note" },
      title ? element("strong", {}, ...prose(title)) : null,
      ...lines.map((line) => element("p", {}, ...prose(line))),
      button,
    ),
  );
}

/** An error of the service or of this page. `retry` is offered where the same request may succeed later. */
export function showError(error, retry) {
  const lines = [error.hint, error.requestId && `Request ${error.requestId}`].filter(Boolean);
  show("error", error.message, lines, retry && error.retryable ? { label: "Try again", run: retry } : null);
}

export function showRefusal(message, hint) {
  clearNotices();
  show("error", message, [hint]);
}

/** What of a search did not answer: shards, features that did not take part, and what others left out. */
export function showGaps(answer) {
  const silent = Object.entries(answer.features ?? {}).filter(([, { status }]) => status !== "ok" && status !== "not_needed");
  const lines = silent.map(([name, { status, reason }]) => `${name} ${WORDS[status] ?? status}${reason ? `: ${reason}` : "."}`);
  const cut = Object.entries(answer.features ?? {}).filter(([, { status, reason }]) => status === "ok" && reason);
  lines.push(...cut.map(([name, { reason }]) => `${name}: ${reason}`));
  const shards = answer.missing_shards ?? [];
  if (answer.partial || shards.length) {
    const missing = shards.length ? [`${shardsText(shards)} did not answer: the photos kept there were not searched.`] : [];
    show("warning", "This answer is incomplete.", [...missing, ...lines]);
  } else if (lines.length) show("note", "", lines);
}

export const shardsText = (shards) => `${shards.length === 1 ? "Shard" : "Shards"} ${shards.join(", ")}`;
