/* Start the console. */

import { html, render } from "./lib/html.js";
import { App } from "./app.js";

const place = document.getElementById("app");
place.textContent = "";
render(html`<${App} />`, place);
