// The page: takes updates, keeps what they say, and shows it.

import {AlertLists} from './alerts.js';
import {Refused} from './api.js';
import {Chart} from './chart.js';
import {byId, make, setChildren, setText} from './dom.js';
import {Elsewhere} from './elsewhere.js';
import {safeLink} from './evidence.js';
import {bytes, clock, number, plural, value, zone} from './format.js';
import {Filter} from './filter.js';
import {Linked} from './linked.js';
import {follow} from './live.js';
import {Silences} from './silences.js';
import {isMuted, needsCare} from './standing.js';
import {Statistics} from './statistics.js';

const spans = [[120, '2 min'], [300, '5 min'], [900, '15 min'], [1800, '30 min']];
const kept = 1860; // seconds of points that are kept

// page is what its parts know of the whole.
const page = {
  alerts: [], // that are shown
  silences: new Map(), // id -> silence
  now: () => Date.now() + skew, // the server's clock in milliseconds
  // show opens an alert, which may be none of those that are listed.
  show(fingerprint) {
    linked.want(fingerprint);
    followLink();
  },
  // refused notes that commands are not taken here, and then hides what sends them.
  refused(error) {
    if (!(error instanceof Refused)) return;
    setText(byId('read-only'), `Nothing can be changed on this page: ${error.message}`);
    byId('read-only').hidden = false;
    document.body.classList.add('read-only');
  },
};

const lists = new AlertLists({firing: byId('firing'), calm: byId('calm'), pending: byId('pending'), resolved: byId('earlier')}, page);
const silences = new Silences(page);
const linked = new Linked(() => showAlerts());
const filter = new Filter(found => { filtered = found; showAlerts(); });
const elsewhere = new Elsewhere((overview, silences) => take(overview, silences), text => { trouble = text; showFrom(); });
new Statistics(page);

const charts = new Map(); // rule -> Chart
let series = new Map();   // rule -> group -> series
let overview = {alerts: [], counts: {firing: 0, acknowledged: 0, silenced: 0, inhibited: 0, pending: 0, resolved: 0}};
let filtered = null;      // the overview of what is looked for
let status = null, skew = 0, lastUpdate = 0, chosen = remembered(), trouble = '';

const board = {
  now: Date.now() / 1000, span: spans[0][0], cursor: null,
  setCursor(t) {
    if (board.cursor === t) return;
    board.cursor = t;
    draw();
  },
};

function onUpdate(u) {
  status = u.status;
  skew = status.now_ms - Date.now();
  lastUpdate = Date.now();
  merge(u.series, u.whole);
  showStatus();
  elsewhere.set(status.alerts_from || '');
  if (status.alerts_from) showAlerts();
  else take(u.overview, u.silences);
  showFrom();
  showCharts();
}

// take shows alerts and silences; null is "as they were".
function take(seen, silenced) {
  if (silenced) {
    page.silences = new Map(silenced.map(s => [s.id, s]));
    silences.set(silenced);
  }
  if (seen) overview = seen;
  showAlerts();
}

// readLink notes what the address asks for: messages link to /?alert=FINGERPRINT and /?silence=FINGERPRINT.
function readLink() {
  const q = new URLSearchParams(location.search), what = ['silence', 'alert'].find(what => q.get(what));
  if (what) linked.want(q.get(what), what === 'silence');
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
  showProblem('rules', status.rules_problem, 'the rule files cannot be loaded as they are. Nothing has changed: the rules from before go on.');
  showProblem('config', status.config_problem,
    'the configuration cannot be loaded as it is. Nothing has changed: routes and receivers from before go on.');
}

function showProblem(what, problem, text) {
  setText(byId(`${what}-problem-text`), problem ? problem.text : '');
  setText(byId(`${what}-problem-since`), problem ? `Since ${clock(problem.since_ms)} ${text}` : '');
  byId(`${what}-problem`).hidden = !problem;
}

function showAlerts() {
  if (!status) return;
  const {alerts, counts: found} = filtered || overview, counts = overview.counts;
  page.alerts = linked.among(alerts);
  const list = (total, is) => ({alerts: page.alerts.filter(is), total});
  const by = state => a => a.state === state;
  const shown = {
    firing: list(found.firing, needsCare), calm: list(found.silenced + found.inhibited, a => a.state === 'firing' && isMuted(a)),
    pending: list(found.pending, by('pending')), resolved: list(found.resolved, by('resolved')),
  };
  lists.set(shown);
  byId('pending-label').hidden = shown.pending.total === 0;
  byId('calm-label').hidden = shown.calm.total === 0;
  byId('no-earlier').hidden = shown.resolved.total > 0;
  const all = counts.firing + counts.silenced + counts.inhibited + counts.pending + counts.resolved;
  byId('find').hidden = !filter.text && all <= overview.alerts.length;

  const known = !status.alerts_unknown || all > 0;
  byId('headline').classList.toggle('hot', counts.firing > 0);
  setText(byId('headline-firing'), counts.firing > 0 ? `${plural(counts.firing, 'alert')} firing` : known ? 'All quiet' : 'No alerts are known here');
  const muted = what => (counts[what] > 0 ? `, ${number(counts[what])} ${what}` : '');
  setText(byId('headline-calm'), muted('silenced') + muted('inhibited'));
  setText(byId('under'), known ? under(counts) : status.alerts_unknown);
  document.title = counts.firing > 0 ? `(${counts.firing}) freshet` : 'freshet';
  const icon = counts.firing > 0 ? 'static/icon-firing.svg' : 'static/icon.svg';
  if (byId('icon').getAttribute('href') !== icon) byId('icon').setAttribute('href', icon);
  tick();
  followLink();
}

// followLink opens the alert of a link once it is here.
function followLink() {
  const wanted = linked.wanted;
  if (wanted && lists.show(wanted.fingerprint, wanted.silence)) linked.wanted = null;
  byId('missing').hidden = !linked.missing;
  linked.ask(page.alerts);
}

// showFrom says whose alerts these are when it is not this process that sends them.
function showFrom() {
  const from = byId('from');
  from.hidden = !status?.alerts_from;
  if (from.hidden) return;
  const text = trouble ? `The active alerter cannot be asked (${trouble}). Its page is at ` : 'This process stands by. These are the alerts of the active one, at ';
  if (from.dataset.shown === text + status.alerts_from) return;
  from.dataset.shown = text + status.alerts_from;
  from.replaceChildren(text, safeLink(status.alerts_from) || status.alerts_from);
}

// under says what stands behind the headline.
function under({firing, acknowledged, pending}) {
  if (status.rules === 0) return 'No rules are loaded. Name rule files under rules.files in freshet.yaml.';
  if (status.groups === 0 && !status.alerts_from) {
    const loaded = `${plural(status.rules, 'rule')} ${status.rules === 1 ? 'is' : 'are'} loaded; `;
    return loaded + (status.records_per_second > 0 ? 'records come, but none has matched yet.' : 'no record has come yet.');
  }
  const parts = [`${plural(status.rules, 'rule')} ${status.rules === 1 ? 'watches' : 'watch'} ${plural(status.groups, 'group')}`];
  if (acknowledged > 0) {
    const which = acknowledged < firing ? plural(acknowledged, 'alert') : acknowledged === 1 ? 'the alert' : `all ${number(acknowledged)} alerts`;
    parts.push(`${which} ${acknowledged === 1 ? 'is' : 'are'} acknowledged`);
  }
  if (pending > 0) parts.push(`${plural(pending, 'condition')} ${pending === 1 ? 'holds' : 'hold'}, but not yet for long enough`);
  return `${parts.join('; ')}.`;
}

function showCharts() {
  const severities = new Map(overview.alerts.toReversed().map(a => [a.rule, a.severity])); // of the first, which is the severest now
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
  const clockNow = page.now() / 1000;
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
  lists.tick(page.now());
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
readLink();
follow({onUpdate, onConnection});
