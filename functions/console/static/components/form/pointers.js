/* JSON pointers, and members of values whose names may be anything: `__proto__`, `a/b`, "". */

import { isObject } from "./json.js";

/** The pointer of a member. */
export const join = (pointer, name) => `${pointer}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
/** The names in a pointer. */
export const parts = (pointer) => pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
/** The id of a field in the page; ids are listed with spaces between, so they have none. */
export const domId = (pointer) => `form:${encodeURIComponent(pointer.toWellFormed?.() ?? pointer)}`;
/** Whether a pointer is another's, or lies in it. */
export const isWithin = (pointer, outer) => pointer === outer || pointer.startsWith(`${outer}/`);

/** Return a value's own member, or undefined. */
export function member(value, name) {
  const there = (isObject(value) || Array.isArray(value)) && Object.hasOwn(value, name);
  return there ? value[name] : undefined;
}

/** Return what is at a pointer, or undefined. */
export const at = (value, pointer) => parts(pointer).reduce(member, value);

/** Return a copy with another member; undefined removes it. */
export function put(value, name, one) {
  if (one !== undefined) return { ...value, [name]: one };
  return Object.fromEntries(Object.entries(value ?? {}).filter(([other]) => other !== name));
}

/** Return a copy with another value at a pointer that exists. */
export function replace(value, pointer, one) {
  const [first, ...rest] = parts(pointer);
  if (first === undefined) return one;
  const inner = replace(member(value, first), rest.reduce(join, ""), one);
  return Array.isArray(value) ? value.map((old, index) => (String(index) === first ? inner : old)) : put(value, first, inner);
}
