/* The tab: its title and icon say how things are. */

import { useEffect } from "./html.js";
import { look } from "./states.js";

const ICONS = { good: "good", busy: "busy", bad: "bad", warn: "bad", quiet: "idle" };

/** Show `text` as the tab's title, and a state's colour as its icon. */
export function useTitle(text, state = "") {
  useEffect(() => {
    const { icon, tone } = look(state);
    show(state ? `${icon} ${text}` : text, state ? ICONS[tone] : "idle");
    return () => show("sync-functions", "idle");
  }, [text, state]);
}

function show(title, icon) {
  document.title = title;
  const element = document.getElementById("icon");
  element.href = element.href.replace(/[a-z]+\.svg$/, `${icon}.svg`);
}
