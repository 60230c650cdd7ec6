/* Long lists: only the rows that can be seen are in the document. */

import { html, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { Virtualizer, elementScroll, observeElementOffset, observeElementRect } from "../vendor/virtual.js";

/** Rows beyond either edge, so that a screen reader and `j`/`k` have a next one. */
const OVERSCAN = 6;
/** How far from an edge, in px, more is asked for. */
const NEAR = 600;

/**
 * A list that scrolls inside its own element, whose height is CSS's (`className`).
 *
 * - `items`: the rows' data; a new array when they change. `keyOf(item, index)` tells them apart: what is read stays
 *   where it is when items come or go before it. Without it, `item.key`, `item.id` or the index.
 * - `row(item, index)` returns a node of any height; `estimate` is the height in px before it is measured.
 * - `follow` keeps the end in sight. `onAtEnd(yes)` says that somebody scrolled to the end, or up from it.
 * - `onTop()`, `onBottom()`: somebody is near an edge; called again with each scroll and each change of the items.
 * - `handle`: a ref that gets `{scrollTo(index, align = "center"), scrollToEnd(), element}`.
 * - `role` is list, log, rowgroup (in a role=table of the caller's, which also has its heads) ...; `rowProps(item,
 *   index)` are attributes of a row, such as `{role: "row", "aria-rowindex": 7}`. Other members go to the element.
 */
export function VirtualRows({
  items, row, estimate = 32, label, follow = false, onTop, onBottom, onAtEnd, className = "", handle,
  keyOf = ownKey, role = "list", rowProps = role === "list" ? listed(items) : () => ({}), ...rest
}) {
  const place = useRef(null);
  const virtual = useVirtual(place, items, keyOf, estimate);
  const shown = virtual.getVirtualItems();
  useFollow(virtual, place, follow, items);
  useEdges(place, items, { onTop, onBottom, onAtEnd });
  useLayoutEffect(() => {
    if (!handle) return;
    const scrollTo = (index, align = "center") => virtual.scrollToIndex(index, { align });
    handle.current = { scrollTo, scrollToEnd: () => virtual.scrollToEnd(), element: place.current };
  }, [handle]);
  return html`<div ...${rest} ref=${place} class=${`virtual ${className}`} role=${role} aria-label=${label} tabindex="0">
    <div role="presentation" class="virtual-space" style=${{ height: `${virtual.getTotalSize()}px` }}>
      <div role="presentation" class="virtual-window" style=${{ transform: `translateY(${shown[0]?.start ?? 0}px)` }}>
        ${shown.map(({ key, index }) => html`<div key=${key} data-index=${index} ref=${virtual.measureElement} ...${rowProps(items[index], index)}>
          ${row(items[index], index)}
        </div>`)}
      </div>
    </div>
  </div>`;
}

const ownKey = (item, index) => item?.key ?? item?.id ?? index;
const listed = (items) => (_, index) => ({ role: "listitem", "aria-posinset": index + 1, "aria-setsize": items.length });

function useVirtual(place, items, keyOf, estimate) {
  const [, setCount] = useState(0);
  const kept = useRef({});
  const { virtual, items: before } = kept.current;
  const changed = before !== items;
  const aim = changed ? virtual?.scrollState : null;
  const key = aim?.index === undefined ? undefined : keyOf(before[aim.index], aim.index);
  if (changed) kept.current.keys = (index) => keyOf(items[index], index); // its identity makes all be laid out again
  const options = {
    count: items.length,
    getScrollElement: () => place.current,
    estimateSize: typeof estimate === "function" ? (index) => estimate(items[index], index) : () => estimate,
    getItemKey: kept.current.keys,
    overscan: OVERSCAN,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => setCount((count) => count + 1),
    // What is read stays in place when items change. Only then: else each row that is measured costs a layout of all.
    anchorTo: changed ? "end" : "start",
  };
  if (virtual) virtual.setOptions(options);
  else kept.current.virtual = new Virtualizer(options);
  kept.current.items = items;
  const mine = kept.current.virtual;
  useLayoutEffect(() => mine._didMount(), []);
  useLayoutEffect(() => {
    mine._willUpdate();
    mine.options.anchorTo = "start";
  });
  // It goes on towards a row for some frames, by its index, which rows that come before it have moved.
  useLayoutEffect(() => {
    const index = key === undefined ? -1 : items.findIndex((item, at) => keyOf(item, at) === key);
    if (index >= 0) mine.scrollToIndex(index, { align: aim.align });
  }, [items]);
  useFocusKept(place);
  return mine;
}

/** A row that had the focus and is scrolled away leaves it to the list, or keys would scroll nothing. */
function useFocusKept(place) {
  const inside = useRef(false);
  useLayoutEffect(() => {
    const at = document.activeElement;
    if (inside.current && at === document.body) place.current.focus({ preventScroll: true });
    inside.current = place.current.contains(document.activeElement);
    const entered = () => (inside.current = true);
    place.current.addEventListener("focusin", entered);
    return () => place.current?.removeEventListener("focusin", entered);
  });
}

function useFollow(virtual, place, follow, items) {
  useLayoutEffect(() => {
    if (follow) virtual.scrollToEnd();
  }, [follow, items]);
  useLayoutEffect(() => {
    if (!follow) return undefined;
    // Rows grow when the window gets narrow, or when one is unfolded.
    const watcher = new ResizeObserver(() => virtual.scrollToEnd());
    watcher.observe(place.current);
    watcher.observe(place.current.firstElementChild);
    return () => watcher.disconnect();
  }, [follow]);
}

function useEdges(place, items, calls) {
  const latest = useRef(calls);
  latest.current = calls;
  const top = useRef(0);
  const look = () => {
    const { scrollTop, scrollHeight, clientHeight } = place.current;
    const left = scrollHeight - clientHeight - scrollTop;
    if (left < NEAR) latest.current.onBottom?.();
    if (scrollTop < NEAR) latest.current.onTop?.();
    return left;
  };
  useLayoutEffect(() => {
    const scrolled = () => {
      const left = look();
      // Rows that turn out smaller also lower scrollTop, but then the end stays in sight.
      if (left <= 2) latest.current.onAtEnd?.(true);
      else if (place.current.scrollTop < top.current) latest.current.onAtEnd?.(false);
      top.current = place.current.scrollTop;
    };
    const element = place.current;
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => element.removeEventListener("scroll", scrolled);
  }, []);
  useLayoutEffect(() => void look(), [items]);
}
