/* What a link asks for: an image, or a declared sync that is edited. */

import { useEffect, useState } from "../../lib/html.js";
import { fetchSync } from "../sync/document.js";
import { scheduleOf } from "./document.js";
import { otherKind } from "./image-step.js";
import { empty, references } from "./pointers.js";

/** Return `{done, error}`; the draft is then what the link asks for. */
export function useLoaded(query, draft, change, reset) {
  const [state, setState] = useState({});
  const wanted = query.sync ?? "";
  const there = (draft.base?.metadata.name ?? "") === wanted;
  useEffect(() => {
    setState({});
    if (there && !wanted && query.image && query.image !== draft.image) change(otherImage(query.image));
    if (there || !wanted) return void (there || reset({ image: query.image ?? "" }));
    let over = false;
    fetchSync(wanted).then(
      (sync) => over || reset(fromDocument(sync)),
      (error) => over || setState({ error }),
    );
    return () => (over = true);
  }, [wanted]);
  return { done: there, ...state };
}

/** What was typed for a manifest is not another image's to see: a link is anybody's. */
const otherImage = (image) => (draft) => ({ ...(draft.kind === "manifest" ? otherKind("image") : {}), image });

/** Return the members of a draft that edits this document. */
function fromDocument(sync) {
  const { spec = {} } = sync;
  const refs = references(spec.config ?? {});
  const lost = refs.map(([place]) => place);
  return {
    base: { metadata: sync.metadata, spec }, name: sync.metadata.name, prefix: spec.prefix ?? "", schedule: scheduleOf(spec),
    kind: spec.manifest ? "manifest" : "image", manifest: spec.manifest ? JSON.stringify(spec.manifest, null, 2) : "",
    image: spec.image ?? "", config: empty(spec.config ?? {}, lost), lost, refs, wishes: spec.streams ?? null,
    confirmed: ["image", "config", "streams"],
  };
}
