// Keeps the page up to date without a flicker: asks every few seconds what it looks like now, and changes what differs.
// The server makes all markup, and has escaped every name in it. Nobody looks, nothing is asked.
"use strict";

(() => {
  const EVERY = 3000;
  const SLOWEST = 30000;
  let wait = EVERY;
  let timer = 0;

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || "" : "");

  function patch(old, now) {
    if (old.isEqualNode(now)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = now.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    patchChildren(old, now);
  }

  // Rows are known by their keys, so that an image stays the image it is when its row moves down.
  function patchChildren(old, now) {
    const keyed = new Map();
    for (const child of old.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
    let at = old.firstChild;
    for (const wanted of [...now.childNodes]) {
      const key = keyOf(wanted);
      let found = key ? keyed.get(key) : at && !keyOf(at) && at.nodeName === wanted.nodeName ? at : undefined;
      if (found && found.nodeName !== wanted.nodeName) found = undefined;
      if (!found) {
        old.insertBefore(document.importNode(wanted, true), at);
        continue;
      }
      if (found === at) at = at.nextSibling;
      else old.insertBefore(found, at);
      keyed.delete(key);
      patch(found, wanted);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  function show(answer) {
    const now = new DOMParser().parseFromString(answer.main, "text/html").getElementById("main");
    const main = document.getElementById("main");
    if (main.dataset.mood !== answer.mood) document.getElementById("news").textContent = answer.title;
    patch(main, now);
    if (document.title !== answer.title) document.title = answer.title;
    const icon = `/icon-${answer.mood}.svg`;
    const link = document.getElementById("icon");
    if (link.getAttribute("href") !== icon) link.setAttribute("href", icon);
  }

  function tell(isSilent) {
    document.getElementById("silence").hidden = !isSilent;
    document.body.classList.toggle("stale", isSilent);
  }

  async function refresh() {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      const response = await fetch("/page.json", { cache: "no-store", signal: AbortSignal.timeout(20000) });
      if (!response.ok) throw new Error(response.status);
      show(await response.json());
      tell(false);
      wait = EVERY;
    } catch {
      tell(true);
      wait = Math.min(SLOWEST, wait * 2);
    }
    clearTimeout(timer);
    timer = setTimeout(refresh, wait);
  }

  document.addEventListener("visibilitychange", refresh);
  timer = setTimeout(refresh, EVERY);
})();
