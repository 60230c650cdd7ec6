/* Text of connectors, which may be hostile. Components show text as text; what is left are links and markup. */

/** Return an address that a link may have, or "": only http and https. */
export function safeUrl(text) {
  try {
    const url = new URL(text);
    return ["http:", "https:"].includes(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
}

/** More of a description is cut off: a form shows it in a few lines. */
const LONGEST = 20_000;
/* No part of these may run on past the next sign of the same kind: a text of many beginnings would take hours. */
const LINK = /<a\s([^<>]{1,2000})>([^<]{0,2000}(?:<(?!\/?a\b)[^<]{0,2000}){0,20})<\/a>|\[([^[\]]{1,1000})\]\(([^)\s[]{1,2000})\)/gis;
const TAG = /<\/?(?:a|b|i|u|p|br|em|ul|ol|li|code|pre|strong|span|div)\b[^<>]{0,2000}>/gi;

/**
 * Split a spec's description into texts and links: `[{text, url}]`. Specs write links as HTML or Markdown, and other
 * tags for style; tags are dropped, and no part is ever read as HTML.
 */
export function richText(given) {
  const whole = String(given ?? "");
  const text = whole.length > LONGEST ? `${whole.slice(0, LONGEST)} ...` : whole;
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    const [found, attributes = "", html, words, target] = match;
    const address = target ?? /(?:^|\s)href\s*=\s*["']?([^"'\s>]+)/i.exec(attributes)?.[1] ?? "";
    parts.push({ text: plain(text.slice(at, match.index)) });
    parts.push({ text: plain(html ?? words), url: safeUrl(address) });
    at = match.index + found.length;
  }
  parts.push({ text: plain(text.slice(at)) });
  return parts.filter((part) => part.text);
}

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: " ", "#39": "'" };

function plain(text) {
  return text
    .replace(TAG, " ")
    .replace(/&(lt|gt|amp|quot|apos|nbsp|#39);/g, (_, name) => ENTITIES[name])
    .replace(/[ \t]+/g, " ");
}

/** Letters that cannot be seen, or that show others in another order: as common/logs.py has them. */
const HIDDEN = /[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/gu;

/** Return a text with what is hidden in it shown, as \u202e. */
export const visible = (text) => String(text).replace(HIDDEN, (one) => `\\u${one.codePointAt(0).toString(16).padStart(4, "0")}`);
