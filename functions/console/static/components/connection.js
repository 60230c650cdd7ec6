/* Whether the functions answer: away, or just waking up. */

import { html, useEffect, useState } from "../lib/html.js";
import { connection, onConnection } from "../lib/api.js";

export function Connection() {
  const [{ connected, waking }, setNow] = useState(connection);
  useEffect(() => onConnection(() => setNow(connection())), []);
  if (!connected) {
    return html`<p class="bar bad" role="status">The functions cannot be reached. What is shown may be old; the page asks again by itself.</p>`;
  }
  return waking && html`<p class="bar quiet" role="status">A function is waking up. That takes a few seconds ...</p>`;
}
