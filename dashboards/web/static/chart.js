// A chart of one rule: a line for each group, the threshold, what was expected of the first group, and the time in which it
// fired shaded.

import {clock, group, minute, value} from './format.js';
import {draw, make, setChildren, setText} from './dom.js';
import {timeTicks, valueScale} from './scale.js';

const height = 172, top = 15, bottom = 22, left = 2, right = 2;
const T = 0, V = 1, TH = 2, FIRING = 3, LOW = 4, UP = 5; // what stands where in a point
const colours = 8;

// Chart draws the series of one rule. board is what all charts share: {now, span, cursor, setCursor}.
export class Chart {
  constructor(rule, board) {
    this.rule = rule;
    this.board = board;
    this.lines = new Map(); // group -> {series, colour, row}
    this.visible = true;
    this.name = make('h3', 'rule', rule);
    this.reading = make('p', 'reading');
    this.svg = draw('svg', {class: 'plot', height, role: 'img', tabindex: 0});
    this.legend = make('ul', 'legend');
    this.element = make('figure', 'chart', make('figcaption', '', this.name, this.reading), this.svg, this.legend);
    this.element.dataset.rule = rule;
    this.svg.addEventListener('pointermove', e => this.point(e));
    this.svg.addEventListener('pointerdown', e => this.point(e));
    this.svg.addEventListener('pointerleave', () => board.setCursor(null));
    this.svg.addEventListener('blur', () => board.setCursor(null));
    this.svg.addEventListener('keydown', e => this.key(e));
    new ResizeObserver(() => this.render()).observe(this.svg);
    new IntersectionObserver(entries => {
      this.visible = entries.at(-1).isIntersecting;
      this.render();
    }, {rootMargin: '200px'}).observe(this.element);
  }

  // set takes the series of the rule as they are now, and the severity of its alerts.
  set(series, severity) {
    this.element.dataset.severity = severity;
    const free = new Set(Array(colours).keys());
    const next = new Map();
    for (const s of series) {
      const line = this.lines.get(s.group);
      if (line) free.delete(line.colour);
    }
    for (const s of series) {
      const line = this.lines.get(s.group) || {colour: -1};
      if (line.colour < 0) {
        line.colour = free.values().next().value ?? next.size % colours;
        free.delete(line.colour);
      }
      line.series = s;
      next.set(s.group, line);
    }
    this.lines = next;
  }

  // firing says whether a group fires at the last point.
  get firing() {
    return this.current().some(l => l.last && l.last[FIRING]);
  }

  // current returns the lines with their last point within the time shown: firing ones first, then those that came
  // nearest to it.
  current() {
    const out = [];
    for (const line of this.lines.values()) {
      const points = line.series.points;
      let last = points.length > 0 ? points[points.length - 1] : null;
      const from = this.board.now - this.board.span;
      if (last && last[T] < from) last = null;
      // By the peak, since an order by the last value would never rest.
      const near = last && last[FIRING] ? Infinity : peak(points, from, line.series.above);
      out.push({...line, last, near});
    }
    return out.sort((a, b) => order(a.near, b.near) || (a.series.group < b.series.group ? -1 : 1)).slice(0, colours);
  }

  // point moves the cursor of all charts to where the pointer is.
  point(e) {
    const box = this.svg.getBoundingClientRect();
    const share = (e.clientX - box.left - left) / (box.width - left - right);
    this.board.setCursor(this.board.now - this.board.span * (1 - Math.min(1, Math.max(0, share))));
  }

  // key moves the cursor by a step of a sixtieth of the time shown.
  key(e) {
    const {now, span, cursor, setCursor} = this.board;
    const step = span / 60;
    const at = cursor ?? now;
    const to = {ArrowLeft: at - step, ArrowRight: at + step, Home: now - span, End: now}[e.key];
    if (e.key === 'Escape') setCursor(null);
    if (to === undefined) return;
    e.preventDefault();
    setCursor(Math.min(now, Math.max(now - span, to)));
  }

  // render draws everything anew; that is cheap enough for once a second.
  render() {
    const width = this.svg.clientWidth;
    if (!this.visible || width === 0) return;
    const {now, span, cursor} = this.board;
    const lines = this.current();
    const lead = lines[0];
    const from = now - span;
    const shown = lines.map(l => ({...l, points: since(l.series.points, from)}));

    let low = Infinity, high = -Infinity;
    for (const {points} of shown) {
      for (const p of points) {
        if (p[V] === null) continue;
        low = Math.min(low, p[V]);
        high = Math.max(high, p[V]);
      }
    }
    if (low > high) low = high = 0;
    if (lead) [low, high] = includeBand(shown[0].points, low, high);
    const threshold = lead && lead.last ? lead.last[TH] : null;
    const scale = valueScale(low, high, threshold);
    const x = t => left + (t - from) / span * (width - left - right);
    const y = v => top + (scale.high - v) / (scale.high - scale.low) * (height - top - bottom);
    const unit = lead ? lead.series.unit : '';

    const parts = [
      ...shading(shown, now, x),
      ...band(lead && shown[0].points, x, v => clamp(y(v), top, height - bottom)),
      ...this.axes(scale, unit, from, now, width, x, y),
      ...thresholdLine(lead && shown[0].points, scale, lead && lead.series, x, y, width),
      ...shown.toReversed().map(l => trace(l, x, y)),
      ...this.cursorMarks(shown, cursor, width, x, y),
    ];
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...parts);
    this.describe(lines, threshold, unit);
    this.read(shown, cursor);
    this.element.classList.toggle('firing', this.firing);
  }

  axes(scale, unit, from, now, width, x, y) {
    const parts = [];
    for (const tick of scale.ticks) {
      const at = crisp(y(tick));
      parts.push(draw('line', {class: tick === scale.low ? 'axis' : 'grid', x1: 0, x2: width, y1: at, y2: at}));
      if (tick !== scale.low) parts.push(draw('text', {class: 'tick', x: 0, y: at - 4}, value(tick, unit)));
    }
    const {ticks, step} = timeTicks(from, now, width);
    for (const t of ticks) {
      const at = x(t);
      if (at < 24 || at > width - 24) continue;
      const text = step < 60 ? clock(t * 1000) : minute(t * 1000);
      parts.push(draw('text', {class: 'tick time', x: at, y: height - 5}, text));
    }
    return parts;
  }

  cursorMarks(shown, cursor, width, x, y) {
    if (cursor === null) return [];
    const at = crisp(x(cursor));
    const parts = [draw('line', {class: 'cursor', x1: at, x2: at, y1: top, y2: height - bottom})];
    for (const l of shown) {
      const p = nearest(l.points, cursor);
      if (p && p[V] !== null) parts.push(draw('circle', {class: `dot line-${l.colour}`, cx: x(p[T]), cy: y(p[V]), r: 3.5}));
    }
    return parts;
  }

  // describe says in words what the drawing shows.
  describe(lines, threshold, unit) {
    const lead = lines[0];
    let text = `${this.rule}: no data`;
    if (lead && lead.last) {
      text = `${this.rule}: ${groupName(lead.series)} ${value(lead.last[V], unit)}`;
      if (threshold !== null) text += `, threshold ${value(threshold, unit)}`;
      if (this.firing) text += ', firing';
      text += '. Arrow keys move through time.';
    }
    if (this.svg.getAttribute('aria-label') !== text) this.svg.setAttribute('aria-label', text);
  }

  // read writes the legend: the values under the cursor, or those of now.
  read(shown, cursor) {
    setText(this.reading, cursor === null ? '' : clock(cursor * 1000));
    const rows = shown.map(l => {
      const line = this.lines.get(l.series.group);
      if (!line.row) {
        line.text = make('span', 'group');
        line.number = make('span', 'number');
        line.row = make('li', '', make('i', `swatch line-${l.colour}`), line.text, line.number);
      }
      const p = cursor === null ? l.last : nearest(l.points, cursor);
      const name = groupName(l.series);
      setText(line.text, name);
      line.text.title = name;
      setText(line.number, p ? value(p[V], l.series.unit) : '–');
      line.row.classList.toggle('hot', Boolean(p && p[FIRING]));
      return line.row;
    });
    const series = shown[0] && shown[0].series;
    const rest = series ? series.groups - rows.length : 0;
    if (rest > 0) {
      this.rest ??= make('li', 'rest');
      setText(this.rest, `${series.more ? 'more than ' : ''}${rest} more, farther from the threshold`);
      rows.push(this.rest);
    }
    setChildren(this.legend, rows);
  }
}

const groupName = s => group(s.labels) || s.group || 'everything';

// peak says how near to firing the points since a time came.
function peak(points, from, above) {
  let best = -Infinity;
  for (const p of points) {
    if (p[T] < from || p[V] === null) continue;
    const distance = p[TH] === null ? p[V] : (p[V] - p[TH]) / Math.max(Math.abs(p[TH]), 1e-9);
    best = Math.max(best, above ? distance : -distance);
  }
  return best;
}

// since returns the points from a time on, and the one before, so that lines reach the edge.
function since(points, from) {
  let i = points.length;
  while (i > 0 && points[i - 1][T] >= from) i--;
  return points.slice(Math.max(0, i - 1));
}

// nearest returns the point at a time, or null if there is none near it.
function nearest(points, t) {
  let best = null;
  for (const p of points) if (!best || Math.abs(p[T] - t) <= Math.abs(best[T] - t)) best = p;
  return best && Math.abs(best[T] - t) <= gapOf(points) ? best : null;
}

// gapOf returns the distance of points from which a line is broken: three steps, by the usual step.
function gapOf(points) {
  if (points.length < 2) return 15;
  const steps = [];
  for (let i = 1; i < points.length; i++) steps.push(points[i][T] - points[i - 1][T]);
  steps.sort((a, b) => a - b);
  return Math.max(15, 3 * steps[Math.floor(steps.length / 2)]);
}

// shading covers the time in which any group fired.
function shading(shown, now, x) {
  const spans = [];
  for (const {points} of shown) {
    const gap = gapOf(points);
    points.forEach((p, i) => {
      if (!p[FIRING]) return;
      const next = points[i + 1];
      const end = next ? Math.min(next[T], p[T] + gap) : Math.min(now, p[T] + gap);
      spans.push([p[T], end]);
    });
  }
  spans.sort((a, b) => a[0] - b[0]);
  const merged = [];
  for (const [start, end] of spans) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged.map(([start, end]) => draw('rect', {
    class: 'fired', x: Math.max(0, x(start)), y: top, width: Math.max(2, x(end) - Math.max(0, x(start))), height: height - top - bottom,
  }));
}

// includeBand widens a range to what was expected, as far as that leaves the values a third of the height.
function includeBand(points, low, high) {
  const room = Math.max(high - low, Math.abs(high) * 0.05);
  let least = low, most = high;
  for (const p of points) {
    if (Number.isFinite(p[LOW])) least = Math.min(least, Math.max(p[LOW], low - room));
    if (Number.isFinite(p[UP])) most = Math.max(most, Math.min(p[UP], high + room));
  }
  return [least, most];
}

// band fills what was expected of the leading group, as the threshold is its own.
function band(points, x, y) {
  if (!points) return [];
  const gap = gapOf(points);
  const parts = [];
  let upper = '', lower = '', before = null;
  const close = () => {
    if (upper) parts.push(draw('path', {class: 'band', d: `M${upper}L${lower}Z`}));
    upper = lower = '';
  };
  for (const p of points) {
    if (p.length <= UP || p[LOW] === null && p[UP] === null || before && p[T] - before[T] > gap) close();
    before = p;
    if (p.length <= UP || p[LOW] === null && p[UP] === null) continue;
    const at = fix(x(p[T]));
    upper += `${upper && 'L'}${at} ${fix(y(p[UP] ?? Number.MAX_VALUE))}`;
    lower = `${at} ${fix(y(p[LOW] ?? -Number.MAX_VALUE))}${lower && 'L'}${lower}`;
  }
  close();
  return parts;
}

// trace draws one group's line, broken where points are missing.
function trace({points, colour, last}, x, y) {
  const gap = gapOf(points);
  let path = '', before = null;
  for (const p of points) {
    if (p[V] === null) { before = null; continue; }
    path += (before && p[T] - before[T] <= gap ? 'L' : 'M') + fix(x(p[T])) + ' ' + fix(y(p[V]));
    // A lone point is drawn as a dot by its round cap.
    if (!before) path += 'h0';
    before = p;
  }
  return draw('path', {class: `trace line-${colour}${last && last[FIRING] ? ' hot' : ''}`, d: path});
}

// thresholdLine draws the threshold that the leading group is compared with; it may move with time.
function thresholdLine(points, scale, series, x, y, width) {
  if (!points || points.length === 0) return [];
  const known = points.filter(p => p[TH] !== null);
  if (known.length === 0) return [];
  const last = known.at(-1)[TH];
  const sign = series.above ? '>' : '<';
  const text = `${sign} ${value(last, series.unit)}`;
  if (!scale.threshold) {
    const up = last > scale.high;
    return [draw('text', {class: 'limit-text', x: width - 2, y: up ? top + 4 : height - bottom - 5}, `${text} ${up ? '↑' : '↓'}`)];
  }
  const fixed = known.every(p => p[TH] === last);
  let path = '';
  if (fixed) {
    path = `M0 ${crisp(y(last))}H${width}`;
  } else {
    for (const p of known) path += (path ? 'L' : 'M') + fix(x(p[T])) + ' ' + fix(clamp(y(p[TH]), top, height - bottom));
    path += `H${width}`;
  }
  const at = y(last);
  return [
    draw('path', {class: 'limit', d: path}),
    draw('text', {class: 'limit-text', x: width - 2, y: at < top + 14 ? at + 13 : at - 5}, text),
  ];
}

const order = (a, b) => (a === b ? 0 : b > a ? 1 : -1);
const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
const crisp = v => Math.round(v) + 0.5;
const fix = v => Math.round(v * 10) / 10;
