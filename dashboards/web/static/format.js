// Numbers and times as a person reads them.

// number shows three significant digits, and thousands as k, M, G.
export function number(v) {
  if (v === null || v === undefined || Number.isNaN(v)) return '–';
  const size = Math.abs(v);
  if (size >= 1e4) {
    for (const [step, name] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
      if (size >= step) return digits(v / step) + name;
    }
  }
  if (size >= 100) return String(Math.round(v));
  return digits(v);
}

// digits shows three significant digits without trailing zeros, and tiny numbers in scientific notation.
function digits(v) {
  if (v !== 0 && Math.abs(v) < 1e-4) return v.toExponential(1);
  return String(Number(v.toPrecision(3)));
}

// value shows a measure in its unit, as OpenTelemetry (UCUM) names units.
export function value(v, unit) {
  if (v === null || v === undefined) return '–';
  switch (unit) {
    case 's': return seconds(v);
    case 'ms': return seconds(v / 1e3);
    case 'us': return seconds(v / 1e6);
    case 'ns': return seconds(v / 1e9);
    case 'By': return bytes(v);
    case '%': return digits(v) + ' %';
    case undefined: case null: case '': case '1': return number(v);
    default: return unit.startsWith('{') ? number(v) : number(v) + ' ' + unit;
  }
}

function seconds(v) {
  const size = Math.abs(v);
  if (v === 0) return '0 s';
  if (size < 1e-3) return digits(v * 1e6) + ' µs';
  if (size < 1) return digits(v * 1e3) + ' ms';
  if (size < 120) return digits(v) + ' s';
  return (v < 0 ? '−' : '') + duration(size);
}

export function bytes(v) {
  for (const [step, name] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']]) {
    if (Math.abs(v) >= step) return digits(v / step) + ' ' + name;
  }
  return digits(v) + ' B';
}

// percent rounds a share, but shows neither a few as none nor most as all.
export function percent(share) {
  const p = Math.round(share * 100);
  if (p === 0 && share > 0) return 'under 1 %';
  if (p === 100 && share < 1) return 'over 99 %';
  return `${p} %`;
}

// duration shows seconds as the two largest units.
export function duration(s) {
  s = Math.max(0, Math.round(s));
  const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  if (d > 0) return h > 0 ? `${d} d ${h} h` : `${d} d`;
  if (h > 0) return m > 0 ? `${h} h ${m} min` : `${h} h`;
  if (m > 0) return s % 60 > 0 ? `${m} min ${s % 60} s` : `${m} min`;
  return `${s} s`;
}

const clockFormat = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
const minuteFormat = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', hourCycle: 'h23'});
const dayFormat = new Intl.DateTimeFormat(undefined, {weekday: 'short', day: 'numeric', month: 'short'});
const fullFormat = new Intl.DateTimeFormat(undefined, {dateStyle: 'full', timeStyle: 'long'});

// clock and minute show a time of day of milliseconds since 1970, full all there is to say about it.
export const clock = ms => clockFormat.format(ms);
export const minute = ms => minuteFormat.format(ms);
export const full = ms => fullFormat.format(ms);

// moment shows the time of day, or of another day with that day and without the seconds.
export function moment(ms, now) {
  return dayFormat.format(ms) === dayFormat.format(now) ? clock(ms) : at(ms, now);
}

// at is that without the seconds on any day, for what people plan.
export function at(ms, now) {
  const day = dayFormat.format(ms);
  return day === dayFormat.format(now) ? minute(ms) : `${day}, ${minute(ms)}`;
}

const units = {s: 1, min: 60, m: 60, h: 3600, d: 86400, w: 7 * 86400};

// parseDuration reads what duration and Go write, as in "1 h 30 min", "90m" or "2d", as seconds; null when it is none.
export function parseDuration(text) {
  const parts = text.trim().toLowerCase().matchAll(/(\d+(?:\.\d+)?)\s*(min|s|m|h|d|w)\s*/gy);
  let seconds = 0, length = 0;
  for (const [part, n, unit] of parts) {
    seconds += Number(n) * units[unit];
    length += part.length;
  }
  return length > 0 && length === text.trim().length && seconds > 0 ? seconds : null;
}

// group names a group by the values of its labels, without those that every alert of the rule has.
export function group(labels) {
  const values = Object.entries(labels || {}).filter(([name]) => name !== 'alertname' && name !== 'severity');
  return values.map(([, v]) => v).join(' · ');
}

// plural counts things: plural(2, 'rule') is "2 rules".
export const plural = (n, word) => `${number(n)} ${word}${n === 1 ? '' : 's'}`;

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'local time';
