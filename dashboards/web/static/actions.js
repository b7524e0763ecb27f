// What a person can do about an alert, and how to ask why.

import {send} from './api.js';
import {button, make, setText} from './dom.js';
import {matchersOf} from './matchers.js';
import {askName, person} from './person.js';
import {SilenceForm} from './silence-form.js';
import {Why} from './why.js';

const said = {acknowledge: 'Acknowledged.', unacknowledge: 'Taken back.', noise: 'Noted as noise.'};

export class Actions {
  constructor(page) {
    this.page = page;
    this.acknowledge = button('', '', () => this.decide(this.alert.acknowledged ? 'unacknowledge' : 'acknowledge', this.acknowledge));
    this.silence = button('Silence…', '', () => (this.open === 'silence' ? this.close() : this.openSilence()));
    this.noise = button('', '', () => this.decide('noise', this.noise));
    this.who = button('', 'plain who', () => this.ask('Remember', () => this.close(), this.who));
    this.why = button('Why?', 'plain', () => (this.open === 'why' ? this.close() : this.openWhy()));
    for (const b of [this.silence, this.why]) b.setAttribute('aria-expanded', 'false');
    this.status = make('p', 'status');
    this.status.setAttribute('role', 'status');
    this.error = make('p', 'error');
    this.error.setAttribute('role', 'alert');
    this.panel = make('div', 'panel');
    this.panel.hidden = true;
    this.panel.addEventListener('keydown', e => {
      if (e.key === 'Escape') this.close();
    });
    this.element = make('div', 'actions',
      make('div', 'buttons', make('span', 'changes', this.acknowledge, this.silence, this.noise), this.why, make('span', 'changes last', this.who)),
      this.status, this.error, this.panel);
  }

  set(alert) {
    this.alert = alert;
    this.acknowledge.hidden = alert.state !== 'firing';
    setText(this.acknowledge, alert.acknowledged ? 'Take back acknowledgement' : 'Acknowledge');
    this.noise.hidden = alert.state === 'pending';
    this.noise.disabled = alert.noise === true;
    setText(this.noise, alert.noise ? 'Called noise' : 'Noise');
    this.noise.title = 'Say that this was not worth a message: it counts in the statistics of its rule';
    this.showName();
  }

  showName() {
    this.who.hidden = !person();
    setText(this.who, `as ${person()}`);
    this.who.setAttribute('aria-label', `You act as ${person()}. Change the name`);
  }

  // decide sends a command about the alert, after asking for a name where none is known.
  async decide(kind, from) {
    if (!person()) {
      this.ask(from.textContent, () => {
        this.close();
        this.decide(kind, from);
      }, from);
      return;
    }
    this.say('');
    from.disabled = true;
    try {
      await send({kind, by: person(), subject: {fingerprints: [this.alert.fingerprint]}});
      this.say(said[kind]);
      if (this.open === 'why') this.panelOf.load(this.alert);
    } catch (error) {
      this.page.refused(error);
      this.say('', error.message);
    } finally {
      from.disabled = from === this.noise && this.alert.noise === true;
      if (document.activeElement === document.body) from.focus({preventScroll: true});
    }
  }

  ask(verb, onName, from) {
    const form = askName(verb, () => {
      this.showName();
      onName();
    }, () => this.close());
    this.show('name', form, from);
    form.focus();
  }

  openSilence() {
    this.say('');
    const form = new SilenceForm(this.page, {
      matchers: matchersOf(this.alert.labels),
      onDone: text => {
        this.showName();
        this.close();
        this.say(text);
      },
      onCancel: () => this.close(),
    });
    this.show('silence', form, this.silence);
    form.focus();
  }

  openWhy() {
    const why = new Why(this.page);
    this.show('why', why, this.why);
    why.load(this.alert);
  }

  // show puts something into the panel; from is what is focused when it is closed.
  show(name, content, from) {
    this.open = name;
    this.panelOf = content;
    this.from = from;
    this.panel.replaceChildren(content.element);
    this.panel.hidden = false;
    this.mark();
  }

  close() {
    this.open = '';
    this.panel.hidden = true;
    this.panel.replaceChildren();
    this.mark();
    this.from?.focus({preventScroll: true});
  }

  mark() {
    this.silence.setAttribute('aria-expanded', String(this.open === 'silence'));
    this.why.setAttribute('aria-expanded', String(this.open === 'why'));
  }

  say(status, error = '') {
    setText(this.status, status);
    clearTimeout(this.fading);
    if (status) this.fading = setTimeout(() => setText(this.status, ''), 10000); // by then the alert shows it
    setText(this.error, error);
  }
}
