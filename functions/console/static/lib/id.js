/* Ids that no one else has. */

/** Return such an id; also where the page has no TLS, and so no crypto.randomUUID. */
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
