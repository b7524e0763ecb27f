// The form of a silence: which alerts, for how long, and why.

import {send} from './api.js';
import {button, field, make, setText} from './dom.js';
import {at, duration, parseDuration, zone} from './format.js';
import {Matchers} from './matchers.js';
import {nameField, remember} from './person.js';

const day = 86400;
const short = [1800, 3600, 4 * 3600, day];       // of a silence
const long = [7 * day, 30 * day, 90 * day, 365 * day]; // of one that recurs

let forms = 0; // names the radio buttons of each form

export class SilenceForm {
  // options: matchers (texts), silence (to change or to repeat), whole (with a start and a schedule), onDone(text), onCancel().
  constructor(page, options) {
    this.page = page;
    this.options = options;
    const from = options.silence || {};
    this.matchers = new Matchers(from.matchers || options.matchers || []);
    this.until = picker();
    this.comment = text({required: true, pattern: '.*\\S.*', maxLength: 500, value: from.comment || '', title: 'why', placeholder: 'what is being done, or a ticket'});
    this.name = nameField();
    this.error = make('p', 'error');
    this.error.setAttribute('role', 'alert');
    this.save = button('', 'primary', null, 'submit');
    this.length = make('fieldset');
    const parts = [this.matchers.element];
    if (options.whole) parts.push(...this.wholeFields(from));
    parts.push(this.length, make('div', 'pair', field('Why', this.comment), this.name.element), this.error,
      make('div', 'buttons', this.save, button('Cancel', '', () => options.onCancel())));
    this.element = make('form', 'form', ...parts);
    this.element.addEventListener('submit', e => this.submit(e));
    this.element.addEventListener('keydown', e => {
      if (e.key !== 'Escape') return;
      e.stopPropagation();
      options.onCancel();
    });
    const changed = from.id && from.state !== 'expired';
    this.offer(changed ? Date.parse(from.ends_at) : null);
  }

  focus() {
    const first = this.options.whole && !this.options.silence ? this.matchers.inputs()[0] : this.comment;
    first.focus({preventScroll: true});
  }

  // wholeFields are those that a silence of one alert does without.
  wholeFields(from) {
    this.starts = picker();
    const pending = from.state === 'pending' && !from.schedule;
    if (pending) this.starts.value = local(Date.parse(from.starts_at));
    this.recurs = make('input');
    Object.assign(this.recurs, {type: 'checkbox', checked: Boolean(from.schedule)});
    this.schedule = text({required: true, value: from.schedule || '', placeholder: '0 2 * * 0', className: 'code'});
    this.each = text({required: true, value: from.each_seconds ? duration(from.each_seconds) : '', placeholder: '2 h'});
    this.zone = text({value: from.schedule ? from.location || 'UTC' : zone(), placeholder: 'Europe/Berlin'});
    const times = make('div', 'times',
      field('Times (cron)', this.schedule, 'minute, hour, day of month, month, day of week'),
      field('Each lasts', this.each), field('Time zone', this.zone));
    const show = () => {
      times.hidden = !this.recurs.checked;
      for (const input of [this.schedule, this.each]) input.disabled = times.hidden;
      this.offer(null);
    };
    this.recurs.addEventListener('change', show);
    times.hidden = !this.recurs.checked;
    for (const input of [this.schedule, this.each]) input.disabled = times.hidden;
    return [make('div', 'pair', field('Starts', this.starts, 'empty is now'),
      make('label', 'check', this.recurs, make('span', '', 'Only at recurring times'))), times];
  }

  // offer shows the lengths to choose from; with an end, that is chosen.
  offer(end) {
    const recurs = this.recurs?.checked, name = `length-${++forms}`, choices = make('div', 'choices');
    const choose = (value, label, checked) => {
      const input = make('input');
      Object.assign(input, {type: 'radio', name, value, checked});
      input.addEventListener('change', () => this.chose());
      choices.append(make('label', '', input, make('span', '', label)));
    };
    const lengths = recurs ? long : short;
    lengths.forEach((s, i) => choose(String(s), duration(s), end === null && i === 1));
    choose('until', 'Until…', end !== null);
    if (end !== null) this.until.value = local(end);
    this.length.replaceChildren(make('legend', '', recurs ? 'In force for' : 'For'), choices, this.until);
    this.until.setAttribute('aria-label', 'Until');
    this.choices = choices;
    this.chose();
  }

  chosen() {
    return this.choices.querySelector('input:checked').value;
  }

  chose() {
    const custom = this.chosen() === 'until';
    this.until.hidden = !custom;
    this.until.required = custom;
    if (custom && !this.until.value) this.until.value = local(this.page.now() + 2 * 3600 * 1000);
    const verb = this.options.silence && this.options.silence.state !== 'expired' ? 'Change' : 'Silence';
    setText(this.save, custom ? verb : `${verb} for ${duration(Number(this.chosen()))}`);
  }

  async submit(e) {
    e.preventDefault();
    this.say('');
    const starts = this.starts?.value ? new Date(this.starts.value).getTime() : this.page.now();
    const ends = this.chosen() === 'until' ? new Date(this.until.value).getTime() : starts + Number(this.chosen()) * 1000;
    const by = this.name.input.value.trim();
    const silence = {matchers: this.matchers.texts(), starts_at: new Date(starts).toISOString(), ends_at: new Date(ends).toISOString(),
      created_by: by, comment: this.comment.value.trim()};
    const old = this.options.silence;
    if (old && old.state !== 'expired') silence.id = old.id;
    if (this.recurs?.checked) {
      const each = parseDuration(this.each.value);
      if (each === null) return this.say(`Each lasts: expected a length of time such as 2 h or 30 min, found ${this.each.value}`);
      Object.assign(silence, {schedule: this.schedule.value.trim(), duration: Math.round(each * 1e9), location: this.zone.value.trim()});
    }
    if (ends <= this.page.now()) return this.say('Until: expected a time to come.');
    this.save.disabled = true;
    try {
      await send({kind: 'silence', by, silence});
      remember(by);
      this.options.onDone(`Silenced until ${at(ends, this.page.now())}.`);
    } catch (error) {
      this.page.refused(error);
      this.say(error.message);
    } finally {
      this.save.disabled = false;
    }
  }

  say(text) {
    setText(this.error, text);
  }
}

function text(properties) {
  return Object.assign(make('input'), {type: 'text', autocomplete: 'off'}, properties);
}

function picker() {
  return Object.assign(make('input'), {type: 'datetime-local'});
}

// local is a time as a datetime-local input has it, in the viewer's zone.
function local(ms) {
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
