// The matchers of a silence, one a line, with what they match now.

import {get} from './api.js';
import {button, make, setText} from './dom.js';
import {plural} from './format.js';

const pause = 300; // after the last key, before freshet is asked

// matchersOf returns a matcher for each label.
export function matchersOf(labels) {
  return Object.entries(labels || {}).map(([name, value]) => `${/^[a-z_][\w.]*$/i.test(name) ? name : quote(name)}=${quote(value)}`);
}

const quote = text => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

const matched = n => (n === 0 ? 'Matches no alert that fires now.' : `Matches ${plural(n, 'alert')} that ${n === 1 ? 'fires' : 'fire'} now.`);

export class Matchers {
  constructor(texts) {
    this.rows = make('ul', 'matchers');
    this.found = make('p', 'found');
    this.found.setAttribute('aria-live', 'polite');
    const add = button('Add a matcher', 'plain', () => this.add('').focus());
    this.element = make('fieldset', '', make('legend', '', 'Alerts with all of'), this.rows, make('div', 'below', add, this.found));
    for (const text of texts.length > 0 ? texts : ['']) this.add(text);
    this.look();
  }

  // texts returns the matchers that are not empty.
  texts() {
    return this.inputs().map(input => input.value.trim()).filter(Boolean);
  }

  inputs() {
    return [...this.rows.querySelectorAll('input')];
  }

  add(text) {
    const input = make('input');
    Object.assign(input, {type: 'text', value: text, spellcheck: false, autocapitalize: 'off', autocomplete: 'off', placeholder: 'service_name="checkout"'});
    input.setAttribute('aria-label', 'Matcher');
    input.addEventListener('input', () => this.later());
    const remove = button('×', 'remove', () => {
      const at = [...this.rows.children].indexOf(row);
      row.remove();
      if (this.rows.children.length === 0) this.add('');
      const inputs = this.inputs();
      inputs[Math.min(at, inputs.length - 1)].focus();
      this.look();
    });
    const name = () => remove.setAttribute('aria-label', `Remove ${input.value || 'this matcher'}`);
    input.addEventListener('input', name);
    name();
    const row = make('li', '', input, remove);
    this.rows.append(row);
    return input;
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), pause);
  }

  // look says what the matchers match now. The server judges them, so that what is accepted here is accepted there.
  async look() {
    const texts = this.texts(), asked = this.asked = texts.join('\n');
    if (texts.length === 0) return this.say('', false);
    try {
      const alerts = await get(`api/v2/alerts?${new URLSearchParams(texts.map(text => ['filter', text]))}`);
      if (asked === this.asked) this.say(matched(alerts.length), false);
    } catch (error) {
      if (asked === this.asked) this.say(error.message.startsWith('filter ') ? error.message.slice(7) : '', true);
    }
  }

  say(text, bad) {
    setText(this.found, text);
    this.found.classList.toggle('bad', bad);
  }
}
