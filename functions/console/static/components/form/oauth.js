/* Specs that can sign in at a provider (`advanced_auth`): that is not done here, and where its token goes instead. */

import { html } from "../../lib/html.js";
import { safeUrl } from "../../lib/safe.js";
import { label } from "./nodes.js";
import { isObject } from "./json.js";

const MOST = 12;
/** The parts of `oauth_config_specification` whose members are fields: what an app has, then what a sign-in brings. */
const PARTS = ["complete_oauth_server_output_specification", "complete_oauth_output_specification"];

/**
 * Return `{fields, where, url}` of a spec, null if its connector has no sign-in: the labels of the fields that a token
 * goes into, of the choice that they are in (or ""), and the address of the documentation (or "").
 */
export function signInOf(spec, root) {
  const auth = spec?.advanced_auth;
  if (!isObject(auth)) return null;
  const parts = PARTS.map((name) => member(member(auth, "oauth_config_specification"), name)).map((part) => member(part, "properties"));
  const paths = parts.flatMap((part) => (isObject(part) ? Object.values(part) : [])).map((one) => member(one, "path_in_connector_config"));
  const chosen = { path: names(auth.predicate_key), value: auth.predicate_value };
  const found = paths.map(names).filter((path) => path.length).map((path) => labelOf(root, path, chosen));
  return { fields: [...new Set(found)].slice(0, MOST), where: whereOf(root, chosen), url: safeUrl(spec.documentationUrl ?? "") };
}

/** What to do in the place of a sign-in. */
export function SignIn({ spec, root }) {
  const found = signInOf(spec, root);
  if (!found) return null;
  const { fields, where, url } = found;
  return html`<div class="sign-in bar quiet" role="note">
    <p><strong>Signing in at the provider (OAuth) is not possible here.</strong>
      ${fields.length > 0
        ? html` Get a token at the provider, and type it in: ${where && html`choose <b>${where}</b>, and fill in `}${fields.map((field, at) => html`${at ? ", " : ""}<b>${field}</b>`)}.`
        : " Get a token at the provider, and type it into the field for it, or use another kind of authentication."}
      ${url ? html` <a href=${url} target="_blank" rel="noopener noreferrer">The connector's documentation</a> says where to get one.` : " The provider's documentation says where to get one."}</p>
  </div>`;
}

const member = (value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined);
const names = (path) => (Array.isArray(path) ? path.filter((name) => ["string", "number"].includes(typeof name)).map(String) : []);

/** "Authentication: OAuth", or "" if nothing is to be chosen. */
function whereOf(root, { path, value }) {
  const holder = path.slice(0, -1).reduce((node, name) => step(node, name), root);
  const variant = holder?.kind === "one" ? holder.variants.find(({ tags }) => tags[path.at(-1)] === value) : null;
  if (variant) return `${holder.title}: ${variant.title}`;
  const field = holder?.field(path.at(-1))?.node;
  return field && value !== undefined ? `${field.title}: ${label(value)}` : "";
}

/** The label of the field at a path; its name where the form has none. */
function labelOf(root, path, chosen) {
  const node = path.reduce((above, name) => step(above, name, chosen), root);
  return node?.title || path.at(-1);
}

/** The node of a member; of several forms that is the chosen one's, else that of the first that has it. */
function step(node, name, { path = [], value } = {}) {
  if (!node) return undefined;
  if (node.kind !== "one") return node.field(name)?.node;
  const having = node.variants.filter((variant) => variant.node.field(name));
  return (having.find(({ tags }) => tags[path.at(-1)] === value) ?? having[0])?.node.field(name).node;
}
