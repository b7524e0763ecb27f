// Scales of a chart: where values and times go, and which of them get a label.

// valueScale returns the range of the axis and its labelled values. The threshold is on it unless it is so far away that
// the lines would be flat.
export function valueScale(low, high, threshold) {
  const spread = Math.max(high - Math.min(low, 0), Math.abs(high) * 0.1, 1e-9);
  let shown = threshold !== null && Number.isFinite(threshold);
  if (shown && (threshold > high + 20 * spread || threshold < low - 20 * spread)) shown = false;
  if (shown) {
    low = Math.min(low, threshold);
    high = Math.max(high, threshold);
  }
  if (low >= 0 && low < high * 0.7) low = 0;
  if (low === high) {
    const pad = Math.abs(high) * 0.1 || 1;
    high += pad;
    if (low !== 0) low -= pad;
  }
  const step = niceStep((high - low) * 1.06, 3);
  const from = Math.floor(low / step) * step;
  const to = Math.max(Math.ceil((high + (high - low) * 0.06) / step) * step, from + step);
  const ticks = [];
  for (let i = 0; from + i * step <= to + step / 2; i++) ticks.push(Number((from + i * step).toPrecision(12)));
  return {low: from, high: to, ticks, threshold: shown};
}

function niceStep(range, count) {
  const rough = range / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const m of [1, 2, 2.5, 5, 10]) if (rough <= m * power) return m * power;
  return 10 * power;
}

// timeTicks returns the labelled times, round ones in the viewer's zone, in seconds.
export function timeTicks(from, to, width) {
  const room = Math.max(2, Math.floor(width / 90));
  const step = [15, 30, 60, 120, 300, 600, 900].find(s => (to - from) / s <= room) || 1800;
  const offset = new Date(to * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  for (let t = Math.ceil((from - offset) / step) * step + offset; t <= to; t += step) ticks.push(t);
  return {ticks, step};
}
