// Who acts on this page: a name that the browser remembers.

import {button, field, make} from './dom.js';

const key = 'freshet-name';
let name = stored();

function stored() {
  try {
    return localStorage.getItem(key) || '';
  } catch {
    return ''; // storage is forbidden
  }
}

export const person = () => name;

export function remember(value) {
  name = value.trim();
  try {
    localStorage.setItem(key, name);
  } catch {
    // It holds for this visit then.
  }
}

// nameField returns an input for the name, as forms have it.
export function nameField() {
  const input = make('input');
  Object.assign(input, {type: 'text', required: true, pattern: '.*\\S.*', maxLength: 100, autocomplete: 'name', value: name, title: 'your name'});
  return {input, element: field('Your name', input)};
}

// askName returns a small form that remembers a name and calls onName, or onCancel.
export function askName(verb, onName, onCancel) {
  const {input, element} = nameField();
  const form = make('form', 'form short', element, make('div', 'buttons', button(verb, 'primary', null, 'submit'), button('Cancel', '', onCancel)));
  form.addEventListener('submit', e => {
    e.preventDefault();
    remember(input.value);
    onName();
  });
  return {element: form, focus: () => input.select()};
}
