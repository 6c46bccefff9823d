// Stored pictures as elements. Where a key is needed an <img> or a link cannot send it, so the bytes are fetched and shown as a blob.

import { currentKey } from "./access.js";
import { fetchBlob, imageAddress, imagePath } from "./api.js";
import { element } from "./dom.js";

// Others, such as SVG, could run as a document of this origin: they are offered as a download instead.
const SHOWN_IN_A_TAB = new Set(["image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/avif"]);

const whenNear = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    whenNear.unobserve(target);
    showBlob(target, target.dataset.path);
  }
}, { rootMargin: "300px" });

/** An <img> of the stored picture's thumbnail, loaded when it comes near the screen. */
export function thumbnail(id, alt) {
  const image = element("img", { alt, loading: "lazy", decoding: "async", draggable: false });
  image.addEventListener("error", () => image.classList.add("missing"));
  const path = imagePath(id, "thumbnail");
  if (path === null) image.classList.add("missing");
  else if (currentKey()) {
    image.dataset.path = path;
    whenNear.observe(image);
  } else image.src = imageAddress(path);
  return image;
}

async function showBlob(image, path) {
  try {
    const address = URL.createObjectURL(await fetchBlob(path));
    const forget = () => URL.revokeObjectURL(address);
    image.addEventListener("load", forget, { once: true });
    image.addEventListener("error", forget, { once: true });
    image.src = address;
  } catch {
    image.classList.add("missing");
  }
}

/** A link that opens the original in a new tab; null where the id has no address. `onError` is told what went wrong. */
export function originalLink(id, onError) {
  const path = imagePath(id, "file");
  if (path === null) return null;
  const link = element("a", {
    className: "original", href: imageAddress(path), target: "_blank", rel: "noopener",
    textContent: "Open original", "aria-label": `Open original of ${id} in a new tab`,
  });
  link.addEventListener("click", (event) => {
    if (!currentKey()) return;
    event.preventDefault();
    openBlob(path).catch(onError);
  });
  return link;
}

async function openBlob(path) {
  const tab = window.open("", "_blank"); // now, while the click still allows it
  try {
    const blob = await fetchBlob(path);
    const safe = SHOWN_IN_A_TAB.has(blob.type) ? blob : new Blob([blob], { type: "application/octet-stream" });
    const address = URL.createObjectURL(safe);
    if (tab) tab.location.replace(address);
    else window.location.assign(address);
  } catch (error) {
    tab?.close();
    throw error;
  }
}
