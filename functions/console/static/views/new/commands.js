/* A document, and the Secrets that it refers to, as commands. None holds a secret's value. */

import { address } from "../../lib/api.js";
import { argument, curl, quote } from "../../components/copy.js";
import { toYaml } from "../../components/yaml.js";

/** Where tasks run if nothing shows another namespace (docs/how-to/declare-a-sync.md). */
export const NAMESPACE = "sync-tasks";

/** Return the entries of a CopyMenu. */
export function documentCommands(document, namespace = NAMESPACE) {
  const { resourceVersion: _, ...metadata } = document.metadata;
  const clean = { ...document, metadata };
  const yaml = () => toYaml(clean);
  return [
    { name: "YAML", text: yaml },
    { name: "kubectl", text: async () => here(`kubectl apply -n ${quote(namespace)} -f -`, await yaml()) },
    { name: "curl", text: () => curl(address("syncs", metadata.name), { method: "PUT", body: clean }) },
    { name: "syncctl", text: async () => here("syncctl apply -f -", await yaml()) },
  ];
}

/** Give a command a text as its standard input; the word that ends it is no line of the text. */
function here(command, text) {
  let end = "EOF";
  while (text.split("\n").includes(end)) end += "_";
  return `${command} <<'${end}'\n${text.replace(/\n$/, "")}\n${end}`;
}

/** Join commands that ask: all are read before the first one runs, or it would take the next one for its answer. */
const inTurn = (commands) => commands.join(" && \\\n");

/** Return the commands that make the Secrets of these references; each asks for the values. */
export function secretCommands(refs, namespace = NAMESPACE) {
  const secrets = new Map();
  for (const { name, key } of refs) secrets.set(name, (secrets.get(name) ?? new Set()).add(key));
  const each = [...secrets].map(([name, keys]) => [name, [...keys]]);
  return {
    syncctl: inTurn(each.flatMap(([name, keys]) => keys.map((key) => `syncctl secret set ${argument(name, key)}`))),
    kubectl: inTurn(each.flatMap(([name, keys]) => kubectl(name, keys, namespace))),
  };
}

/* Bash asks for each value, and hands it on without an argument that other accounts could read. */
function kubectl(name, keys, namespace) {
  const asked = keys.map((key, number) => `read -rsp ${quote(`${key}: `)} VALUE_${number} && echo`);
  const files = keys.map((key, number) => `--from-file=${quote(key)}=<(printf %s "$VALUE_${number}")`);
  return [...asked, `kubectl create secret generic ${quote(name)} -n ${quote(namespace)} ${files.join(" ")}`];
}
