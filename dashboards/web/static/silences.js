// The silences: those that mute, those that will, and those that are over.

import {send} from './api.js';
import {button, byId, make, setChildren, setText} from './dom.js';
import {at, duration, plural} from './format.js';
import {askName, person} from './person.js';
import {SilenceForm} from './silence-form.js';

export class Silences {
  constructor(page) {
    this.page = page;
    this.rows = new Map();
    this.add = byId('add-silence');
    this.panel = byId('silence-panel');
    this.add.addEventListener('click', () => (this.panel.hidden ? this.write(null, this.add) : this.close()));
  }

  // set shows the silences in the order given.
  set(silences) {
    const next = new Map();
    for (const s of silences) {
      const row = this.rows.get(s.id) || new Row(this);
      row.set(s);
      next.set(s.id, row);
    }
    this.rows = next;
    const below = (id, which) => {
      const rows = [...next.values()].filter(which);
      byId(id).hidden = rows.length === 0;
      setChildren(byId(id), rows.map(r => r.element));
      return rows.length;
    };
    const now = below('silences', r => r.silence.state !== 'expired');
    const over = below('expired', r => r.silence.state === 'expired');
    byId('no-silences').hidden = now > 0;
    byId('expired-details').hidden = over === 0;
    setText(byId('expired-count'), `${plural(over, 'silence')} ended in the last day`);
  }

  // write opens the form below the heading, for a new silence or with those of another in it.
  write(silence, from) {
    this.from = from;
    const form = new SilenceForm(this.page, {silence, whole: true, onCancel: () => this.close(), onDone: text => {
      this.close();
      this.say(text);
    }});
    this.panel.replaceChildren(form.element);
    this.panel.hidden = false;
    this.add.setAttribute('aria-expanded', 'true');
    this.say('');
    form.element.scrollIntoView({block: 'nearest'});
    form.focus();
  }

  close() {
    this.panel.hidden = true;
    this.panel.replaceChildren();
    this.add.setAttribute('aria-expanded', 'false');
    (this.from?.isConnected ? this.from : this.add).focus({preventScroll: true});
  }

  say(text) {
    setText(byId('silences-status'), text);
    clearTimeout(this.fading);
    if (text) this.fading = setTimeout(() => this.say(''), 10000);
  }
}

class Row {
  constructor(list) {
    this.list = list;
    this.matchers = make('span', 'matcher-list');
    this.state = make('span', 'state-text');
    this.when = make('span', 'when');
    this.comment = make('span', 'comment');
    this.mutes = make('span', 'mutes');
    this.expire = button('Expire', '', () => this.confirm());
    this.change = button('', 'plain', () => this.list.write(this.silence, this.change));
    this.error = make('p', 'error');
    this.error.setAttribute('role', 'alert');
    this.question = make('div', 'question');
    this.question.hidden = true;
    this.question.addEventListener('keydown', e => {
      if (e.key === 'Escape') this.keep();
    });
    this.element = make('li', '', this.matchers, this.state, this.when, this.comment, this.mutes,
      make('span', 'buttons changes', this.change, this.expire), this.question, this.error);
  }

  set(silence) {
    const now = this.list.page.now(), text = JSON.stringify([silence, at(Date.parse(silence.ends_at), now)]);
    if (text === this.shown) return;
    this.shown = text;
    this.silence = silence;
    const over = silence.state === 'expired', named = silence.matchers.join(', ');
    this.element.className = `silence ${silence.state}`;
    this.matchers.replaceChildren(...silence.matchers.map(m => make('code', '', m)));
    setText(this.state, {active: 'Active', pending: silence.schedule ? 'At rest' : 'Pending', expired: 'Ended'}[silence.state] || silence.state);
    setText(this.when, when(silence, now));
    setText(this.comment, [silence.comment, silence.by].filter(Boolean).join(' — '));
    setText(this.mutes, over ? '' : silence.alerts > 0 ? `mutes ${plural(silence.alerts, 'alert')}` : 'mutes none now');
    setText(this.change, over ? 'Again…' : 'Change…');
    this.change.setAttribute('aria-label', `${over ? 'Silence again' : 'Change the silence of'} ${named}`);
    this.expire.setAttribute('aria-label', `Expire the silence of ${named}`);
    this.expire.hidden = over;
    if (over) this.question.hidden = true;
  }

  // confirm asks once more before the silence ends.
  confirm() {
    setText(this.error, '');
    const yes = button('Expire now', 'primary', () => (person() ? this.end(yes) : this.ask()));
    this.question.replaceChildren(
      make('span', '', this.silence.alerts > 0 ? `${plural(this.silence.alerts, 'alert')} will be told of again.` : 'Alerts will be told of again.'),
      yes, button('Keep', '', () => this.keep()));
    this.question.hidden = false;
    yes.focus();
  }

  ask() {
    const form = askName('Expire now', () => this.end(form.element.querySelector('button')), () => this.keep());
    this.question.replaceChildren(form.element);
    form.focus();
  }

  async end(from) {
    from.disabled = true;
    try {
      await send({kind: 'expire', by: person(), silence_id: this.silence.id});
      this.keep();
      this.list.say('The silence has ended.');
    } catch (error) {
      this.list.page.refused(error);
      setText(this.error, error.message);
      from.disabled = false;
    }
  }

  keep() {
    this.question.hidden = true;
    this.question.replaceChildren();
    this.expire.focus({preventScroll: true});
  }
}

// when says when a silence mutes.
function when(s, now) {
  const starts = at(Date.parse(s.starts_at), now), ends = at(Date.parse(s.ends_at), now);
  if (s.state === 'expired') return ends;
  if (!s.schedule) return s.state === 'pending' ? `${starts} to ${ends}` : `until ${ends}`;
  const times = `${s.schedule} for ${duration(s.each_seconds)}, ${s.location || 'UTC'}, until ${ends}`;
  if (!s.next) return times;
  return `${s.state === 'active' ? 'until' : 'next'} ${at(Date.parse(s.next), now)}; ${times}`;
}
