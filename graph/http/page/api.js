// The service's HTTP routes. Addresses are relative to the page, so that a proxy may serve it under a prefix.

import { currentKey, keyOtherThan } from "./access.js";

const ROOT = new URL("..", import.meta.url);
const HEADER_SAFE = /^[\x20-\x7e]+$/;

/** An answer that is not a success. `retryable`: the same request may succeed later. */
export class ServiceError extends Error {
  constructor({ message, hint = "", code = "", requestId = "", retryable = false }) {
    super(message);
    Object.assign(this, { hint, code, requestId, retryable });
  }
}

async function send(path, init = {}) {
  for (;;) {
    const key = currentKey();
    const response = await sendOnce(path, init, key);
    if (response.status === 401) await keyOtherThan(key);
    else if (response.ok) return response;
    else throw await errorOf(response);
  }
}

async function sendOnce(path, init, key) {
  const headers = new Headers(init.headers);
  // A header cannot carry other characters, and no key has them: let the service refuse the request instead.
  if (key && HEADER_SAFE.test(key)) headers.set("Authorization", `Bearer ${key}`);
  try {
    return await fetch(new URL(path, ROOT), { ...init, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError({
      message: "The service cannot be reached.",
      hint: "Check that it is running (`lookalike serve`), then try again.",
      code: "service_unreachable",
      retryable: true,
    });
  }
}

async function errorOf(response) {
  const body = await response.json().catch(() => null);
  const { message, hint, code, request_id: requestId } = body?.error ?? {};
  return new ServiceError({
    message: message || `The service answered ${response.status}${response.statusText ? ` (${response.statusText})` : ""}.`,
    hint,
    code,
    requestId: response.status >= 500 ? requestId : "",
    retryable: [429, 502, 503, 504].includes(response.status),
  });
}

const getJson = async (path) => (await send(path)).json();

export const features = async () => (await getJson("v1/features")).features;
export const stats = () => getJson("v1/stats");
export const jobs = async () => (await getJson("v1/jobs")).jobs;
export const stopJob = async (id) => (await send(`v1/jobs/${encodeURIComponent(id)}/stop`, { method: "POST" })).json();
export const someImages = async (limit) => (await getJson(`v1/images?limit=${limit}`)).images;

/** `options`: {k, relevance, features: names or null for the service's choice, params or null, avoid: a sentence or null}. */
export async function searchByPhoto(file, { k, relevance, features: names, params, avoid }, signal) {
  const body = new FormData();
  body.append("image", file);
  body.append("k", k);
  body.append("relevance", relevance);
  if (names) body.append("features", names.join(","));
  if (params) body.append("params", JSON.stringify(params));
  if (avoid) body.append("text_not", avoid);
  return (await send("v1/search", { method: "POST", body, signal })).json();
}

export const searchById = (id, options, signal) => searchByJson({ id }, options, signal);
export const searchByText = (text, options, signal) => searchByJson({ text }, options, signal);

async function searchByJson(query, { k, relevance, features: names, params, avoid }, signal) {
  const asked = { ...query, k, relevance, ...(names && { features: names }), ...(params && { params }), ...(avoid && { text_not: [avoid] }) };
  const headers = { "Content-Type": "application/json" };
  return (await send("v1/search", { method: "POST", body: JSON.stringify(asked), headers, signal })).json();
}

/**
 * Path of a stored picture's `part` ("thumbnail" or "file"), or null for the two ids that no browser can send in a path:
 * "." and "..", which the URL standard drops even when they are percent-encoded.
 */
export function imagePath(id, part) {
  return id === "." || id === ".." ? null : `v1/images/${encodeURIComponent(id)}/${part}`;
}

export const imageAddress = (path) => new URL(path, ROOT).href;
export const fetchBlob = async (path) => (await send(path)).blob();
