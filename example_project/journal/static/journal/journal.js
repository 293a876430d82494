// The pages work without this file. It adds three things: the reader's time zone, pages that follow the reading of an
// entry by themselves, and a warning before unsaved words are lost.
(() => {
  "use strict";

  const root = document.documentElement;
  root.classList.add("js");

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const yearOfSeconds = 31536000;
  if (zone) {
    document.cookie = `journal_time_zone=${zone};path=/;max-age=${yearOfSeconds};samesite=lax`;
  }

  // Following the reading. An element with data-live names a fragment that replaces it, and data-live-after the seconds
  // until then. When the new one has no data-live any more it is settled, and nothing is asked again.
  const slowest = 30;
  const parse = (html) => new DOMParser().parseFromString(html, "text/html");

  async function fetchPage(url) {
    const response = await fetch(url, { credentials: "same-origin" });
    // A redirect means the session is over: this page is no longer ours to refresh.
    return response.ok && !response.redirected ? parse(await response.text()) : null;
  }

  // The element itself stays, so that screen readers, which watch it, speak of its new content.
  function renew(element, fresh) {
    if (!fresh || element.isEqualNode(fresh)) return;
    const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
    const wasOpen = element.querySelector("details[open]") !== null;
    for (const name of element.getAttributeNames()) {
      if (!fresh.hasAttribute(name)) element.removeAttribute(name);
    }
    for (const name of fresh.getAttributeNames()) element.setAttribute(name, fresh.getAttribute(name));
    element.replaceChildren(...fresh.childNodes);
    if (wasOpen) element.querySelector("details")?.setAttribute("open", "");
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  async function refresh(element, quiet) {
    const page = await fetchPage(element.dataset.live);
    if (!page) return;
    const before = element.textContent;
    renew(element, page.getElementById(element.id));
    if (element.dataset.live) {
      follow(element, element.textContent === before ? Math.min(quiet + 1, slowest) : 0);
    } else if (element.dataset.then) {
      await renewParts(element.dataset.then.split(" "));
    }
  }

  // What a settled entry brings with it: the other parts of its page.
  async function renewParts(ids) {
    const page = await fetchPage(location.href);
    if (!page) return;
    ids.forEach((id) => renew(document.getElementById(id), page.getElementById(id)));
    connectFindings();
  }

  // `quiet` counts the looks in a row that showed nothing new: the longer nothing happens, the rarer the next one.
  function follow(element, quiet) {
    const seconds = Math.min(Number(element.dataset.liveAfter || 2) + quiet, slowest);
    window.setTimeout(() => {
      if (!element.isConnected) return;
      if (document.hidden) {
        document.addEventListener("visibilitychange", () => follow(element, 0), { once: true });
        return;
      }
      refresh(element, quiet).catch(() => follow(element, quiet + 1));
    }, seconds * 1000);
  }

  document.querySelectorAll("[data-live]").forEach((element) => follow(element, 0));

  // Pointing at a finding shows where in the text it stands.
  function connectFindings() {
    document.querySelectorAll("[data-shows]").forEach((link) => {
      const marks = document.querySelectorAll(link.dataset.shows.split(" ").map((key) => `mark[data-keys~="${key}"]`).join());
      const light = (on) => () => marks.forEach((mark) => mark.classList.toggle("lit", on));
      link.addEventListener("pointerenter", light(true));
      link.addEventListener("pointerleave", light(false));
      link.addEventListener("focus", light(true));
      link.addEventListener("blur", light(false));
    });
  }
  connectFindings();

  // Unsaved words.
  const form = document.querySelector("form[data-guard]");
  if (form) {
    let dirty = false;
    form.addEventListener("input", () => { dirty = true; });
    let sent = false;
    form.addEventListener("submit", (event) => {
      // A second click must not write the entry twice.
      if (sent) event.preventDefault();
      sent = true;
      dirty = false;
    });
    window.addEventListener("pageshow", () => { sent = false; });
    window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
  }
})();
