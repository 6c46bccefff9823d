// Which part of a stored photo the searched one shows, from a match that has a homography. `graph/cli/terminal/placement.py` explains the
// method and says the same at length.

const WHOLE = 0.95; // share of an area that counts as all of it

/**
 * {ofStored, ofQuery, mirrored, degrees, outline}, or null where no match of the result says where.
 * `outline`: corners [x, y] of the part that the searched photo shows, in pixels of the stored one.
 */
export function placement({ matches, width, height }) {
  return Object.values(matches).map((match) => overlap(match, width, height)).find(Boolean) ?? null;
}

function overlap({ homography, box, view }, width, height) {
  if (!isTable(homography, 3, 3) || !isTable(box, 4, 2)) return null;
  const negative = homography.map((row) => row.map((number) => -number)); // maps alike, with the other side in front
  const outline = [homography, negative].map((side) => shown(side, box[2], width, height)).sort((a, b) => area(b) - area(a))[0];
  const [queryWidth, queryHeight] = mapped(homography, box[2]);
  const ofStored = Math.min(1, area(outline) / (width * height));
  const ofQuery = Math.min(1, area(outline.map((point) => mapped(homography, point))) / (queryWidth * queryHeight));
  const degrees = turn(homography, outline);
  return ofStored > 0 && ofQuery > 0 && Number.isFinite(degrees)
    ? { ofStored, ofQuery, mirrored: view === "mirrored", degrees, outline } : null;
}

const isTable = (rows, count, length) => Array.isArray(rows) && rows.length === count
  && rows.every((row) => Array.isArray(row) && row.length === length && row.every(Number.isFinite));

function shown(homography, corner, width, height) {
  const [across, down, depth] = homography;
  const [queryWidth, queryHeight] = mapped(homography, corner);
  const far = (near, extent) => near.map((number, index) => extent * depth[index] - number);
  const edges = [across, far(across, queryWidth), down, far(down, queryHeight)];
  return edges.reduce(clipped, [[0, 0], [width, 0], [width, height], [0, height]]);
}

/** What of a convex polygon lies where `edge` is not negative. */
function clipped(polygon, edge) {
  return polygon.flatMap((start, index) => {
    const end = polygon[(index + 1) % polygon.length];
    const [here, there] = [dot(edge, start), dot(edge, end)];
    const kept = here >= 0 ? [start] : [];
    if (here >= 0 === there >= 0) return kept;
    const part = here / (here - there);
    return [...kept, start.map((number, axis) => number + part * (end[axis] - number))];
  });
}

function area(polygon) {
  const next = (index) => polygon[(index + 1) % polygon.length];
  return Math.abs(polygon.reduce((sum, [x, y], index) => sum + x * next(index)[1] - next(index)[0] * y, 0)) / 2;
}

/** Degrees that the middle of the polygon is rotated clockwise, after the mirroring if the map mirrors. */
function turn(homography, polygon) {
  const middle = [0, 1].map((axis) => polygon.reduce((sum, point) => sum + point[axis], 0) / polygon.length);
  const at = mapped(homography, middle);
  const scale = dot(homography[2], middle);
  const [[a, b], [c, d]] = [0, 1].map((row) => [0, 1].map((axis) => (homography[row][axis] - at[row] * homography[2][axis]) / scale));
  const side = a * d - b * c < 0 ? -1 : 1;
  return (Math.atan2(side * c - b, side * a + d) * 180) / Math.PI;
}

const dot = (line, [x, y]) => line[0] * x + line[1] * y + line[2];

function mapped(homography, point) {
  const [across, down, depth] = homography.map((row) => dot(row, point));
  return [across / depth, down / depth];
}

export const isWhole = ({ ofStored }) => ofStored >= WHOLE;
