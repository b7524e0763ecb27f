// Elements are made here and nowhere from text, so that no label or log line can become markup.

// make returns an element with a class and children: elements or texts.
export function make(tag, className, ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...children.filter(c => c !== null && c !== undefined && c !== ''));
  return e;
}

// button returns a button that calls onClick, or sends its form.
export function button(text, className, onClick, type = 'button') {
  const b = make('button', className, text);
  b.type = type;
  if (onClick) b.addEventListener('click', onClick);
  return b;
}

// field returns an input with its label and a hint.
export function field(label, input, hint) {
  return make('label', 'field', make('span', 'field-name', label), input, hint ? make('span', 'hint', hint) : null);
}

const svgNamespace = 'http://www.w3.org/2000/svg';

// draw returns an SVG element with attributes.
export function draw(tag, attributes, text) {
  const e = document.createElementNS(svgNamespace, tag);
  for (const name in attributes) e.setAttribute(name, attributes[name]);
  if (text !== undefined) e.textContent = text;
  return e;
}

// setText changes a text only when it differs, so that a selection stays.
export function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

// setChildren puts elements in order below a parent, and moves or removes only those that are not in their place.
export function setChildren(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const child of children) {
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
}

export const byId = id => document.getElementById(id);
