// The page: takes updates, keeps what they say, and shows it.

import {AlertList} from './alerts.js';
import {Chart} from './chart.js';
import {byId, make, setChildren, setText} from './dom.js';
import {bytes, clock, number, plural, value, zone} from './format.js';
import {follow} from './live.js';

const spans = [[120, '2 min'], [300, '5 min'], [900, '15 min'], [1800, '30 min']];
const kept = 1860; // seconds of points that are kept

const lists = {
  firing: new AlertList(byId('firing')),
  pending: new AlertList(byId('pending')),
  resolved: new AlertList(byId('earlier')),
};
const charts = new Map(); // rule -> Chart
let series = new Map();   // rule -> group -> series
let wanted = new URLSearchParams(location.search).get('alert'); // fingerprint: messages link to /?alert=...
let alerts = [], status = null, skew = 0, lastUpdate = 0, chosen = remembered();

const board = {
  now: Date.now() / 1000, span: spans[0][0], cursor: null,
  setCursor(t) {
    if (board.cursor === t) return;
    board.cursor = t;
    draw();
  },
};

// now is the server's clock in milliseconds.
const now = () => Date.now() + skew;

function onUpdate(u) {
  status = u.status;
  skew = status.now_ms - Date.now();
  lastUpdate = Date.now();
  if (u.alerts) alerts = u.alerts;
  merge(u.series, u.whole);
  showStatus();
  showAlerts();
  showCharts();
}

// merge adds new points to what is known; the first may be a newer state of the last known.
function merge(update, whole) {
  const next = new Map();
  for (const s of update) {
    const before = whole ? null : series.get(s.rule)?.get(s.group);
    if (before && s.points.length > 0) {
      const first = s.points[0][0];
      s.points = before.points.filter(p => p[0] < first).concat(s.points);
    } else if (before) {
      s.points = before.points;
    }
    const oldest = (s.points.at(-1)?.[0] ?? 0) - kept;
    if (s.points.length > 0 && s.points[0][0] < oldest) s.points = s.points.filter(p => p[0] >= oldest);
    if (!next.has(s.rule)) next.set(s.rule, new Map());
    next.get(s.rule).set(s.group, s);
  }
  series = next;
}

const states = {starting: 'Starting', healthy: 'Healthy', behind: 'Behind', unavailable: 'Unavailable'};

function showStatus() {
  const state = byId('state');
  setText(state, states[status.state] || status.state);
  state.dataset.state = status.state;
  setText(byId('records'), `${number(status.records_per_second)}/s`);
  byId('records').title = `${bytes(status.bytes_per_second)}/s`;
  const delay = status.watermark_delay_seconds;
  setText(byId('delay'), delay === null ? '–' : value(delay, 's'));
  setText(byId('rules'), number(status.rules));
  setText(byId('version'), status.version ? `freshet ${status.version}` : '');
  const notice = byId('notice');
  let text = status.message || '';
  if (!text && status.state === 'behind') {
    text = 'The detector is behind its input. Until it has caught up, nothing is resolved and nothing counts as silent.';
  }
  setText(notice, text);
  notice.hidden = text === '';
  notice.dataset.state = status.state;
  const problem = status.rules_problem;
  setText(byId('rules-problem-text'), problem ? problem.text : '');
  setText(byId('rules-problem-since'), problem
    ? `Since ${clock(problem.since_ms)} the rule files cannot be loaded as they are. Nothing has changed: the rules from before go on.` : '');
  byId('rules-problem').hidden = !problem;
}

function showAlerts() {
  const by = state => alerts.filter(a => a.state === state);
  const firing = by('firing'), pending = by('pending'), resolved = by('resolved');
  lists.firing.set(firing);
  lists.pending.set(pending);
  lists.resolved.set(resolved);
  byId('pending-label').hidden = pending.length === 0;
  byId('no-earlier').hidden = resolved.length > 0;

  const headline = byId('headline');
  headline.classList.toggle('hot', firing.length > 0);
  setText(headline, firing.length > 0 ? `${plural(firing.length, 'alert')} firing` : 'All quiet');
  setText(byId('under'), under(firing.length, pending.length));
  document.title = firing.length > 0 ? `(${firing.length}) freshet` : 'freshet';
  const icon = firing.length > 0 ? 'static/icon-firing.svg' : 'static/icon.svg';
  if (byId('icon').getAttribute('href') !== icon) byId('icon').setAttribute('href', icon);
  tick();
  if (wanted && Object.values(lists).some(list => list.show(wanted))) wanted = null;
}

// under says what stands behind the headline.
function under(firing, pending) {
  if (status.rules === 0) return 'No rules are loaded. Name rule files under rules.files in freshet.yaml.';
  if (status.groups === 0) {
    const loaded = `${plural(status.rules, 'rule')} ${status.rules === 1 ? 'is' : 'are'} loaded; `;
    return loaded + (status.records_per_second > 0 ? 'records come, but none has matched yet.' : 'no record has come yet.');
  }
  const watch = `${plural(status.rules, 'rule')} ${status.rules === 1 ? 'watches' : 'watch'} ${plural(status.groups, 'group')}`;
  if (pending === 0) return `${watch}.`;
  return `${watch}; ${plural(pending, 'condition')} ${pending === 1 ? 'holds' : 'hold'}, but not yet for long enough.`;
}

function showCharts() {
  const severities = new Map(alerts.toReversed().map(a => [a.rule, a.severity])); // of the first, which is the severest now
  for (const [rule, groups] of series) {
    if (!charts.has(rule)) charts.set(rule, new Chart(rule, board));
    charts.get(rule).set([...groups.values()], severities.get(rule) || [...groups.values()][0].labels?.severity || '');
  }
  for (const rule of charts.keys()) if (!series.has(rule)) charts.delete(rule);
  byId('no-charts').hidden = charts.size > 0;
  byId('spans').hidden = charts.size === 0;

  let first = Infinity, last = 0;
  for (const groups of series.values()) {
    for (const {points} of groups.values()) {
      if (points.length === 0) continue;
      first = Math.min(first, points[0][0]);
      last = Math.max(last, points.at(-1)[0]);
    }
  }
  const clockNow = now() / 1000;
  // The last point stands near the edge; when event time is not that of the clock, the edge is where points end.
  board.now = last > 0 && Math.abs(clockNow - last) > 300 ? last : Math.max(last, clockNow);
  // Unless the viewer chose one, the longest time that the points nearly fill.
  board.span = chosen || (spans.findLast(([s]) => board.now - first >= 0.75 * s) || spans[0])[0];
  for (const button of byId('spans').children) button.setAttribute('aria-pressed', String(Number(button.value) === board.span));

  // Those that fire come first. What has the keyboard's focus stays where it is.
  const focused = byId('charts').contains(document.activeElement);
  if (!focused || byId('charts').children.length !== charts.size) {
    const order = [...charts.values()].sort((a, b) => b.firing - a.firing || (a.rule < b.rule ? -1 : 1));
    setChildren(byId('charts'), order.map(c => c.element));
  }
  draw();
}

// draw asks for one drawing in the next frame.
let asked = false;
function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    for (const chart of charts.values()) chart.render();
  });
}

function tick() {
  for (const list of Object.values(lists)) list.tick(now());
}

function onConnection(connected) {
  const lost = byId('lost');
  lost.hidden = connected;
  document.body.classList.toggle('stale', !connected);
  if (connected) return;
  const since = lastUpdate > 0 ? ` This is what was known at ${clock(lastUpdate)}.` : '';
  setText(lost, `Disconnected from freshet, trying again.${since}`);
}

// remembered returns the time span that the viewer chose before, or null.
function remembered() {
  try {
    const s = Number(localStorage.getItem('freshet-span'));
    return spans.some(([known]) => known === s) ? s : null;
  } catch {
    return null; // storage is forbidden
  }
}

function choose(seconds) {
  chosen = seconds;
  try {
    localStorage.setItem('freshet-span', String(seconds));
  } catch {
    // It holds for this visit then.
  }
  showCharts();
}

for (const [seconds, name] of spans) {
  const button = make('button', '', name);
  button.type = 'button';
  button.value = seconds;
  button.addEventListener('click', () => choose(seconds));
  byId('spans').append(button);
}
setText(byId('zone'), `Times are in ${zone()}`);
setInterval(() => { if (lastUpdate > 0 && byId('lost').hidden) tick(); }, 1000);
follow({onUpdate, onConnection});
