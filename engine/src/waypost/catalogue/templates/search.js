"use strict";
// Every component is in the page: the search reads it there, so that it also works without a server.
(() => {
  const list = document.getElementById("components");
  const field = document.getElementById("search");
  const state = document.getElementById("state");
  const boxes = [...document.querySelectorAll(".facets input")];
  const items = [...list.children].map((item, place) => {
    const name = item.querySelector("a").textContent.toLowerCase();
    const words = [item.dataset.words || "", ...[...item.children].map((part) => part.textContent)];
    return { item, place, name, text: words.join(" ").toLowerCase(), facets: new Set(item.dataset.facets.split(" ")) };
  });

  const weight = (entry, word) => {
    if (entry.name === word) return 8;
    if (entry.name.startsWith(word)) return 4;
    if (entry.name.includes(word)) return 2;
    return entry.text.includes(word) ? 1 : 0;
  };

  const chosen = () => {
    const groups = new Map();
    for (const box of boxes.filter((each) => each.checked)) {
      groups.set(box.name, [...(groups.get(box.name) || []), box.value]);
    }
    return [...groups.values()];
  };

  let shown = [];
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const groups = chosen();
    const found = [];
    for (const entry of items) {
      const weights = words.map((word) => weight(entry, word));
      const fits = !weights.includes(0) && groups.every((group) => group.some((value) => entry.facets.has(value)));
      entry.item.hidden = !fits;
      if (fits) found.push([weights.reduce((sum, each) => sum + each, 0), entry]);
    }
    found.sort((one, other) => other[0] - one[0] || one[1].place - other[1].place);
    // What is moved is laid out anew: nothing is, where the order is the same.
    const order = found.map(([, entry]) => entry.item);
    if (order.some((item, place) => item !== shown[place])) list.append(...order);
    shown = order;
    state.textContent = `${found.length} of ${items.length} components`;
  };

  let pending = 0;
  const remember = () => {
    clearTimeout(pending);
    pending = setTimeout(() => {
      const said = new URLSearchParams(field.value ? [["q", field.value]] : []);
      boxes.filter((box) => box.checked).forEach((box) => said.append("f", box.value));
      if (location.hash.slice(1) !== said.toString()) location.replace(`#${said}`);
    }, 400);
  };

  const recall = () => {
    const said = new URLSearchParams(location.hash.slice(1));
    field.value = said.get("q") || "";
    const values = said.getAll("f");
    boxes.forEach((box) => { box.checked = values.includes(box.value); });
    show();
  };

  const links = () => [...list.children].filter((item) => !item.hidden).map((item) => item.querySelector("a"));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== field) {
      event.preventDefault();
      field.focus();
    } else if (event.key === "Escape" && document.activeElement === field) {
      field.value = "";
      show();
      remember();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const order = [field, ...links()];
      const now = order.indexOf(document.activeElement);
      const next = order[now + (event.key === "ArrowDown" ? 1 : -1)];
      if (now >= 0 && next) {
        event.preventDefault();
        next.focus();
      }
    }
  });
  field.addEventListener("input", () => { show(); remember(); });
  boxes.forEach((box) => box.addEventListener("change", () => { show(); remember(); }));
  window.addEventListener("hashchange", recall);
  document.getElementById("finder").hidden = false;
  recall();
})();
