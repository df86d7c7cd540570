// Squarified treemap: rectangles of [x, y, width, height] for sizes in falling order.
export function squarify(sizes, x, y, width, height) {
  const total = sizes.reduce((sum, size) => sum + size, 0), found = [];
  if (total <= 0 || width <= 0 || height <= 0) return sizes.map(() => [x, y, 0, 0]);
  const scale = (width * height) / total, areas = sizes.map((size) => size * scale);
  let at = 0;
  while (at < areas.length) {
    const side = Math.min(width, height), row = [areas[at]];
    let sum = areas[at];
    const worst = (smallest, largest, whole) => Math.max((side * side * largest) / (whole * whole), (whole * whole) / (side * side * smallest));
    while (at + row.length < areas.length) {
      const next = areas[at + row.length];
      if (worst(Math.min(...row, next), Math.max(...row, next), sum + next) > worst(Math.min(...row), Math.max(...row), sum)) break;
      row.push(next);
      sum += next;
    }
    const thick = sum / side;
    let along = 0;
    for (const area of row) {
      const length = area / thick;
      found.push(width >= height ? [x, y + along, thick, length] : [x + along, y, length, thick]);
      along += length;
    }
    if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
    at += row.length;
  }
  return found;
}
