"""The console's form of a spec by itself: drawn in the console's page by its own modules, without a view around it."""

import json
import re
from typing import Any

from playwright.sync_api import Locator, Page

from tests.support.browser import Watched
from tests.support.fake_bulker import wait_for

_DRAW = """async ({text, value, secrets, counts}) => {
  const spec = JSON.parse(text);
  const base = document.querySelector("script[type=module]").src.replace(/main\\.js$/, "");
  const [{ html, render }, form] = await Promise.all([import(`${base}lib/html.js`), import(`${base}components/form/form.js`)]);
  const place = Object.assign(document.createElement("main"), { className: "container-fluid" });
  document.getElementById("app").hidden = true;
  document.querySelectorAll("body > main").forEach((old) => { render(null, old); old.remove(); });
  document.body.append(place);
  const held = { value: value === null ? form.defaults(spec) : form.parseJson(value), changes: 0, problems: {}, attempt: 0, broken: false };
  const set = (one) => { held.value = one; held.changes += 1; if (held.attempt) held.problems = form.check(spec, one); draw(); };
  const send = () => { held.problems = form.check(spec, held.value); held.attempt += 1; draw(); };
  const draw = () => render(html`<h1>Form</h1><${form.Form} spec=${spec} value=${held.value} onChange=${set} problems=${held.problems}
    secrets=${secrets} attempt=${counts ? held.attempt : undefined} onBroken=${(one) => (held.broken = one)} /><button onClick=${send}>Check it</button>`, place);
  window.held = Object.assign(held, { set, form, spec, text: () => form.writeJson(held.value), secretsNow: () => form.secretPaths(spec, held.value) });
  draw();
}"""


class FormPage:
    """A form on a page: its fields by their labels, and the configuration that it has made."""

    def __init__(
        self, watched: Watched, schema: Any, value: Any = None, secrets: list[str] | None = None, *, counts: bool = True
    ) -> None:
        self.page: Page = watched.open("#/new")
        self.page.get_by_role("navigation").wait_for()
        self._secrets, self._counts = secrets or [], counts
        self.draw(schema, value)

    def draw(self, schema: Any, value: Any = None) -> None:
        """Show another form in its place."""
        spec = schema if "connectionSpecification" in schema else {"connectionSpecification": schema}
        text = value if value is None or isinstance(value, str) else json.dumps(value)
        given = {"text": json.dumps(spec), "value": text, "secrets": self._secrets, "counts": self._counts}
        self.page.evaluate(_DRAW, given)

    @property
    def config(self) -> Any:
        """The configuration as it would be sent."""
        return json.loads(self.text)

    @property
    def text(self) -> str:
        """The same as a text: what `json` would round is seen."""
        return str(self.page.evaluate("held.text()"))

    @property
    def json(self) -> Locator:
        """The JSON beside the form."""
        return self.page.get_by_label("Configuration as JSON", exact=True)

    def field(self, label: str) -> Locator:
        """The field with this label, of which there is one."""
        return self.page.get_by_label(label, exact=True)

    def button(self, name: str) -> Locator:
        """The button with this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def check(self) -> None:
        """Check it, as the New view does before it sends."""
        self.button("Check it").click()

    def unfold(self, name: str = "Optional fields") -> None:
        """Open a fold of optional fields."""
        self.page.locator("summary", has_text=re.compile(f"^{re.escape(name)} \\d")).click()

    def group(self, name: str) -> Locator:
        """The group of fields with this legend."""
        return self.page.get_by_role("group", name=name, exact=True)

    def expect_problem(self, field: str | Locator, text: str) -> None:
        """Wait until this is what a screen reader hears of a field's problem."""
        wait_for(lambda: self.problem(field) == text, 60, f"the problem {text!r} of {field}")

    def expect_broken(self, *, broken: bool) -> None:
        """Wait until the form says whether its JSON is a text that cannot be read."""
        wait_for(lambda: self.page.evaluate("held.broken") is broken, 60, f"broken: {broken}")

    def problem(self, field: str | Locator) -> str:
        """What a screen reader hears of a field's problem; of the one with a label, or of a group."""
        place = self.field(field) if isinstance(field, str) else field
        return str(
            place.evaluate(
                "one => (one.getAttribute('aria-describedby') ?? '').split(' ').filter(id => id.endsWith('-error'))"
                ".map(id => document.getElementById(id).textContent).join(' ')"
            )
        )
