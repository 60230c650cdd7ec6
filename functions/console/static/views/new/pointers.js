/* Places in a configuration, as JSON pointers. Names are the connector's: `__proto__` is a name like any other. */

/** "/a~1b/0" -> ["a/b", "0"]. */
export function parts(pointer) {
  return pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** ["a/b", 0] -> "/a~1b/0". */
export function pointer(path) {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Return the value at a pointer, or undefined. */
export function at(value, place) {
  return parts(place).reduce((inner, name) => (isNested(inner) && Object.hasOwn(inner, name) ? inner[name] : undefined), value);
}

/** Return a copy with another value at a pointer; objects on the way are made if they are missing. */
export function put(value, place, inner) {
  return replace(value, parts(place), () => inner);
}

/** Return a copy without the values at these pointers: members are left out, items of a list become empty. */
export function empty(value, places) {
  return places.reduce((left, place) => {
    const path = parts(place);
    const above = at(left, pointer(path.slice(0, -1)));
    if (!isNested(above)) return left;
    if (Array.isArray(above)) return Object.hasOwn(above, path.at(-1)) ? put(left, place, "") : left;
    return replace(left, path.slice(0, -1), (object) => entries(object).without(path.at(-1)));
  }, value);
}

/** Return `[[pointer, {name, key}]]` of the references to Secrets in a declared sync's configuration. */
export function references(value, path = []) {
  if (!isNested(value)) return [];
  const ref = value.valueFrom?.secretKeyRef;
  if (isNested(ref) && typeof ref.name === "string") return [[pointer(path), { name: ref.name, key: String(ref.key ?? "") }]];
  return Object.keys(value).flatMap((name) => references(value[name], [...path, name]));
}

const isNested = (value) => value !== null && typeof value === "object";

function replace(value, path, change) {
  if (!path.length) return change(value);
  const [name, ...rest] = path;
  if (Array.isArray(value)) {
    const copy = [...value];
    copy[Number(name)] = replace(copy[Number(name)], rest, change);
    return copy;
  }
  const before = isNested(value) ? value : {};
  return entries(before).with(name, replace(Object.hasOwn(before, name) ? before[name] : undefined, rest, change));
}

/* Object.fromEntries defines members, where an assignment would set a prototype. */
const entries = (object) => ({
  with: (name, inner) => Object.fromEntries([...Object.entries(object).filter(([own]) => own !== name), [name, inner]]),
  without: (name) => Object.fromEntries(Object.entries(object).filter(([own]) => own !== name)),
});
