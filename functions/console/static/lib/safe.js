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

/**
 * Split a spec's description into texts and links: `[{text, url}]`. Specs write links as HTML or Markdown, and other
 * tags for style; tags are dropped, and no part is ever read as HTML.
 */
export function richText(text) {
  const found = /<a\s[^>]*?href\s*=\s*["']?([^"'\s>]+)[^>]*>(.*?)<\/a>|\[([^\]]+)\]\(([^)\s]+)\)/gis;
  const parts = [];
  let at = 0;
  for (const match of String(text ?? "").matchAll(found)) {
    parts.push({ text: plain(text.slice(at, match.index)) });
    parts.push({ text: plain(match[2] ?? match[3]), url: safeUrl(match[1] ?? match[4]) });
    at = match.index + match[0].length;
  }
  parts.push({ text: plain(String(text ?? "").slice(at)) });
  return parts.filter((part) => part.text);
}

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: " ", "#39": "'" };

function plain(text) {
  return text
    .replace(/<\/?(a|b|i|u|p|br|em|ul|ol|li|code|pre|strong|span|div)\b[^>]*>/gi, " ")
    .replace(/&(lt|gt|amp|quot|apos|nbsp|#39);/g, (_, name) => ENTITIES[name])
    .replace(/[ \t]+/g, " ");
}
