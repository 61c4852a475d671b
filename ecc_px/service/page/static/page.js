// Keeps an open page true: fetches what changes every few seconds and changes only that, so that scrolling, focus and
// selection stay. Goes on trying while the service is away, and loads the page anew when the service came back another.
"use strict";

(() => {
  const { live: address, every } = document.body.dataset;
  const EVERY = Number(every);
  const SLOWEST = 5 * EVERY;
  const live = document.getElementById("live");
  const lost = document.getElementById("lost");
  if (!address || !live) return;

  let failures = 0;
  let lastSeen = new Date();
  let timer = 0;
  let busy = false;

  async function update() {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    const patience = new AbortController();
    const limit = setTimeout(() => patience.abort(), 10000);
    try {
      const answer = await fetch(address, { cache: "no-store", signal: patience.signal });
      if (answer.status === 404) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      const look = answer.headers.get("X-Look");
      if (look && look !== document.body.dataset.look) return location.reload();
      // What is in a template runs no script and loads no picture.
      const fresh = document.createElement("template");
      fresh.innerHTML = await answer.text();
      become(live, fresh.content);
      document.title = live.querySelector("[data-title]")?.dataset.title ?? document.title;
      failures = 0;
      lastSeen = new Date();
    } catch {
      failures += 1;
    } finally {
      clearTimeout(limit);
      busy = false;
      sayWhetherLost();
      timer = setTimeout(update, Math.min(EVERY * 2 ** Math.max(0, failures - 3), SLOWEST));
    }
  }

  function sayWhetherLost() {
    const away = failures > 1;
    document.body.classList.toggle("lost", away);
    lost.hidden = !away;
    if (away) {
      const time = lastSeen.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      lost.textContent = `The service has not answered since ${time}. What you see is from then; this page goes on trying.`;
    }
  }

  // Make the children of `old` those of `fresh`, keeping every element that is still there.
  function become(old, fresh) {
    const keyed = new Map();
    for (const child of old.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
    const staying = new Set([...fresh.children].map((child) => child.dataset.key));
    for (const [key, child] of keyed) if (!staying.has(key)) child.remove();
    let place = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const key = next.dataset?.key;
      let same = key ? keyed.get(key) : place;
      if (!key && same?.dataset?.key) same = null;
      if (!same || same.nodeName !== next.nodeName) {
        old.insertBefore(document.adoptNode(next), place);
        continue;
      }
      // An element that is moved loses its focus: rather let go of what stands before it.
      while (place && place !== same && !place.dataset?.key) place = without(place);
      if (same === place) place = place.nextSibling;
      else old.insertBefore(same, place);
      if (same.nodeType !== Node.ELEMENT_NODE) {
        if (same.nodeValue !== next.nodeValue) same.nodeValue = next.nodeValue;
      } else if (!same.isEqualNode(next)) {
        for (const { name } of [...same.attributes]) if (!next.hasAttribute(name)) same.removeAttribute(name);
        for (const { name, value } of next.attributes) {
          if (same.getAttribute(name) !== value) same.setAttribute(name, value);
        }
        become(same, next);
      }
    }
    while (place) place = without(place);
  }

  // Remove a node, and say which one comes after it.
  function without(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) update();
  });
  timer = setTimeout(update, EVERY);
})();
