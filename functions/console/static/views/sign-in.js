/* Sign in: a token that was tried. */

import { html, useState } from "../lib/html.js";
import { address, request } from "../lib/api.js";
import { signIn } from "../lib/session.js";

export function SignIn({ reason }) {
  const [state, setState] = useState({ problem: reason });
  const submit = async (event) => {
    event.preventDefault();
    const token = new FormData(event.target).get("token").trim();
    const problem = wrong(token);
    if (problem) return setState({ problem });
    setState({ busy: true });
    try {
      await request(address("tasks", { limit: 1 }), { credentials: token });
      signIn(token);
    } catch (error) {
      setState({ problem: error.message });
    }
  };
  return html`<main class="container sign-in"><article>
    <h1>sync-functions</h1>
    <p>The console of a deployment that copies data from sources, through Airbyte's connectors, into your warehouse.</p>
    <form onSubmit=${submit}>
      <label>Token
        <input name="token" type="password" autocomplete="off" autofocus required spellcheck="false"
          aria-invalid=${state.problem ? "true" : undefined} aria-describedby="why" />
      </label>
      <small id="why" role="alert">${state.problem}</small>
      <button type="submit" aria-busy=${state.busy ? "true" : undefined}>Sign in</button>
    </form>
    <p>On your own machine, <code>syncctl serve</code> prints the path of the file that holds the token, and <code>syncctl
      console</code> opens this page signed in. Elsewhere, ask those who run the deployment for one of its tokens
      (<code>SYNCCTL_AUTH_TOKENS</code>).</p>
    <p>Each tab needs the token: this one keeps it until you sign out or close it.</p>
  </article></main>`;
}

/** What can be seen without asking. */
function wrong(token) {
  if (!token) return "Type or paste a token.";
  if (/^bearer\s/i.test(token)) return "Leave out the word Bearer: only what comes after it is the token.";
  if (/\s/.test(token)) return "A token has no blanks or line breaks; copy it once more.";
  if (/[^\x21-\x7e]/.test(token)) return "A token has only letters, digits and signs of ASCII; copy it once more.";
  if (/^https?:\/\//.test(token)) return "This is an address; the token is needed here.";
  return "";
}
