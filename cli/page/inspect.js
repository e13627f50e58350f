"use strict";
/*
 * Shows the report of `pkm inspect --text --json` that lies in #data. What came from files is only
 * ever set as text, never as HTML. What is chosen stands in the address: #layer=2&slot=17&token=5.
 */
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const HEAD_COLOURS = 8, TELLING = 30, AROUND = 24, GLANCE = 16;
  const state = { memory: 0, slot: null, pinned: null, shown: 0 };
  const spans = [];

  /* --- small helpers --- */

  const make = (tag, className, ...children) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };
  const memory = () => data.memory[state.memory];
  const slotOf = (id) => memory().known.get(id);
  const readsOf = (token) => memory().tokens[token];
  const headColour = (head) => `var(--h${head % HEAD_COLOURS})`;
  const number = (value) => value.toLocaleString("en");
  const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
  const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}\u202f%`;
  const signed = (weight, share) => (weight < 0 ? "\u2212" : "") + percent(share);

  /* A token in one line; what has no shape of its own gets one. */
  const SHAPELESS = /([\u0000-\u001f\u007f-\u009f])/, SHAPES = { "\n": "\u21b5", "\t": "\u21e5" }, NOTHING = "\u25ab";
  const shape = (c) => SHAPES[c] || (c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : NOTHING);
  const oneLine = (text) => text.split(SHAPELESS).map((part) => (SHAPELESS.test(part) ? shape(part) : part)).join("") || NOTHING;
  const named = (token) => oneLine(data.tokens[token].text).replace(/^ +| +$/g, (blanks) => "\u2423".repeat(blanks.length));

  /* The same with its line breaks kept, for the text itself. */
  const fillToken = (span, text) => {
    if (text === "") span.append(make("i", "", NOTHING));
    for (const part of text.split(SHAPELESS)) {
      if (SHAPELESS.test(part)) span.append(make("i", "", shape(part)));
      if (part === "\n" || part === "\t" || !SHAPELESS.test(part)) span.append(part);
    }
  };

  const chips = (slot) => {
    const names = [...new Set(slot.contexts.map(([token]) => named(token)))].slice(0, 3);
    return make("span", "chips", ...names.map((name) => make("span", "chip", name)));
  };

  /* --- the text --- */

  const fillText = () => {
    data.tokens.forEach((token, place) => {
      const span = make("span");
      span.dataset.token = place;
      span.tabIndex = place === 0 ? 0 : -1;
      span.setAttribute("role", "button");
      fillToken(span, token.text);
      spans.push(span);
    });
    $("text").append(...spans);
    if (data.tokens.length < data.file_tokens)
      $("text").append(make("i", "", `\n\u2026 ${number(data.file_tokens - data.tokens.length)} more tokens`));
  };

  /* A gate that is not softmax may leave a token without any weight. */
  const massOf = (place) => readsOf(place).mass || 1;
  const shareOf = (place, weight) => Math.abs(weight) / massOf(place);
  const greatestShare = (slot) => Math.max(...slot.contexts.map(([place, weight]) => shareOf(place, weight)));

  /* A token is tinted by the share of its reads that goes to the chosen slot, beside the greatest
   * such share; the root makes small ones visible. */
  const tintText = () => {
    const slot = slotOf(state.slot), most = (slot && greatestShare(slot)) || 1;

    spans.forEach((span, place) => {
      const read = readsOf(place).reads.find(([id]) => id === state.slot);
      span.classList.toggle("lit", read !== undefined);
      if (read) span.style.setProperty("--share", Math.sqrt(shareOf(place, read[1]) / most).toFixed(3));
    });
  };

  /* --- the token --- */

  /* A full bar is the whole weight of one head. */
  const bar = (weights, mass) => {
    const parts = weights.map((weight, head) => {
      const part = make("span");
      part.style.background = headColour(head);
      part.style.width = `${(100 * Math.abs(weight) * weights.length) / mass}%`;
      return part;
    });
    return make("span", "bar", ...parts);
  };

  const readButton = (place, [slot, weight, heads]) => {
    const share = shareOf(place, weight);
    const button = make("button", "", make("span", "number", String(slot)), chips(slotOf(slot)),
      make("span", "share number", signed(weight, share)), bar(heads, massOf(place)));
    button.type = "button";
    button.dataset.slot = slot;
    button.setAttribute("aria-pressed", slot === state.slot);
    button.setAttribute("aria-label", `slot ${slot}, ${percent(share)} of this token's reads`);
    return button;
  };

  /* All reads that are told of a token that is kept, the first of one that is passed over. */
  const showToken = (place) => {
    const { byte, bytes } = data.tokens[place];
    const reads = state.pinned === place ? readsOf(place).reads : readsOf(place).reads.slice(0, GLANCE);
    const others = reads.reduce((rest, [, weight]) => rest - shareOf(place, weight), 1);

    spans[state.shown].classList.remove("now");
    state.shown = place;
    spans[place].classList.add("now");
    $("token-title").replaceChildren("Token", make("span", "chip", named(place)), "reads");
    $("token-facts").textContent =
      `number ${number(place + 1)}, ${plural(bytes, "byte")} at ${number(byte)}: ` +
      (state.pinned === place ? "kept" : "choose it to keep it");
    $("reads").replaceChildren(...reads.map((read) => make("li", "", readButton(place, read))));
    $("rest").textContent = others > 0.0005 ? `${percent(others)} goes to other slots` : "";
    drawMap();
  };

  /* --- the slot --- */

  const fact = (name, value, more) =>
    make("div", "", make("dt", "", name), make("dd", "number", value, " ", make("small", "", more || "")));

  const contextButton = ([place, weight]) => {
    const text = (first, end) => data.tokens.slice(Math.max(first, 0), end).map((token) => oneLine(token.text)).join("");
    const line = make("span", "line", make("span", "before", make("span", "", text(place - AROUND, place))),
      make("mark", "", oneLine(data.tokens[place].text)), make("span", "after", text(place + 1, place + AROUND)));
    const button = make("button", "", line, make("span", "share number", signed(weight, shareOf(place, weight))));
    button.type = "button";
    button.dataset.token = place;
    return button;
  };

  const showSlot = () => {
    const slot = slotOf(state.slot), { n_keys, mass, slots_read } = memory();

    $("slot-card").hidden = slot === undefined;
    for (const button of document.querySelectorAll("[data-slot]"))
      button.setAttribute("aria-pressed", Number(button.dataset.slot) === state.slot);
    document.querySelector("#telling [aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (slot === undefined) return;
    $("slot-title").replaceChildren(`Slot ${slot.slot}`,
      make("span", "facts", `sub-keys ${Math.floor(slot.slot / n_keys)} and ${slot.slot % n_keys}`));
    $("slot-facts").replaceChildren(
      fact("weight", percent(slot.mass / (mass || 1)), "of all"), fact("rank", number(slot.rank), `of ${number(slots_read)}`),
      fact("read by", number(slot.readers), slot.readers === 1 ? "token" : "tokens"),
      fact("distinct", number(slot.distinct), slot.distinct === 1 ? "token" : "tokens"));
    $("contexts").replaceChildren(...slot.contexts.map((context) => make("li", "", contextButton(context))));
  };

  /* --- the map: a cell per slot, its row and column the two sub-keys --- */

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /* The slots alone, drawn anew when memory, size or colours change: pointing must stay quick. */
  const ground = document.createElement("canvas");
  const drawGround = () => {
    const { n_keys, slots } = memory(), pen = ground.getContext("2d");
    const side = Math.round($("map").clientWidth * (window.devicePixelRatio || 1)), cell = side / n_keys;
    const heaviest = Math.log1p(slots.reduce((most, slot) => Math.max(most, slot.mass), 0)) || 1;

    ground.width = ground.height = side;
    for (const { slot, mass } of slots) {
      pen.fillStyle = `rgb(${css.cell} / ${(0.08 + 0.75 * (Math.log1p(mass) / heaviest)).toFixed(2)})`;
      pen.fillRect((slot % n_keys) * cell, Math.floor(slot / n_keys) * cell, Math.max(cell, 1.5), Math.max(cell, 1.5));
    }
  };

  const drawMap = () => {
    const { n_keys } = memory(), side = ground.width, cell = side / n_keys, pen = $("map").getContext("2d");
    const ring = (slot, colour, radius) => {
      pen.strokeStyle = colour;
      pen.lineWidth = Math.max(side / 160, 1.5);
      pen.beginPath();
      pen.arc(((slot % n_keys) + 0.5) * cell, (Math.floor(slot / n_keys) + 0.5) * cell, radius, 0, 7);
      pen.stroke();
    };

    $("map").width = $("map").height = side;
    if (side === 0) return;
    pen.drawImage(ground, 0, 0);
    for (const [slot, , heads] of readsOf(state.shown).reads) {
      const head = heads.reduce((best, weight, i) => (Math.abs(weight) > Math.abs(heads[best]) ? i : best), 0);
      ring(slot, css.heads[head % HEAD_COLOURS], Math.max(cell * 0.6, side / 90));
    }
    if (state.slot !== null) ring(state.slot, css.tint, Math.max(cell * 1.3, side / 40));
  };
  const redraw = () => {
    drawGround();
    drawMap();
  };
  const readColours = () => {
    css.cell = css("--cell");
    css.tint = `rgb(${css("--tint")})`;
    css.heads = Array.from({ length: HEAD_COLOURS }, (_, head) => css(`--h${head}`));
  };

  /* The told slot nearest to a point of the map. */
  const slotNear = (event) => {
    const box = $("map").getBoundingClientRect(), { n_keys, slots } = memory();
    const x = ((event.clientX - box.left) / box.width) * n_keys - 0.5, y = ((event.clientY - box.top) / box.height) * n_keys - 0.5;
    const distance = ({ slot }) => Math.hypot((slot % n_keys) - x, Math.floor(slot / n_keys) - y);
    return slots.reduce((best, slot) => (distance(slot) < distance(best) ? slot : best)).slot;
  };

  /* --- choosing --- */

  const say = (sentence) => { $("status").textContent = sentence; };

  const keepAddress = () => {
    const words = [`layer=${memory().layer}`];
    if (state.slot !== null) words.push(`slot=${state.slot}`);
    if (state.pinned !== null) words.push(`token=${state.pinned}`);
    history.replaceState(null, "", `#${words.join("&")}`);
  };

  const chooseSlot = (slot) => {
    state.slot = slot;
    showSlot();
    tintText();
    drawMap();
    keepAddress();
    if (slot === null) return say("no slot");
    const { readers, distinct } = slotOf(slot);
    say(`slot ${slot}: read by ${plural(readers, "token")}, ${number(distinct)} distinct; tokens are tinted by its weight`);
  };

  /* Keeps a token (null: none) in the card, whatever the pointer passes over. */
  const pin = (place) => {
    if (state.pinned !== null) spans[state.pinned].classList.remove("pinned");
    state.pinned = place;
    if (place !== null) spans[place].classList.add("pinned");
    showToken(place === null ? state.shown : place);
    keepAddress();
  };

  const announceToken = (place) => {
    const heaviest = readsOf(place).reads.slice(0, 3)
      .map(([slot, weight]) => `slot ${slot}, ${percent(shareOf(place, weight))}`);
    say(`token ${named(place)}: ${heaviest.join("; ")}`);
  };

  const reveal = (element) => element.scrollIntoView({ block: "nearest" });

  const goTo = (place) => {
    pin(place);
    spans[place].scrollIntoView({ block: "center" });
  };

  /* --- keys and pointers --- */

  const focusToken = (place) => {
    spans.forEach((span) => { if (span.tabIndex === 0) span.tabIndex = -1; });
    spans[place].tabIndex = 0;
    spans[place].focus({ preventScroll: true });
    reveal(spans[place]);
  };

  /* The token above or below: the nearest on the next line in that direction. */
  const lineMove = (place, step) => {
    const box = (i) => spans[i].getClientRects()[0], from = box(place);
    let best = place;
    for (let i = place + step, line = null; i >= 0 && i < spans.length; i += step) {
      const to = box(i);
      if (!to || Math.abs(to.top - from.top) < 4) continue;
      if (line !== null && Math.abs(to.top - line) > 4) break;
      if (line === null || Math.abs(to.left - from.left) < Math.abs(box(best).left - from.left)) best = i;
      line = to.top;
    }
    return best;
  };

  const KEYS = {
    ArrowRight: (place) => place + 1, ArrowLeft: (place) => place - 1,
    ArrowDown: (place) => lineMove(place, 1), ArrowUp: (place) => lineMove(place, -1),
    Home: () => 0, End: () => spans.length - 1,
  };

  const tokenAt = (event) => {
    const span = event.target.closest("#text [data-token]");
    return span === null ? null : Number(span.dataset.token);
  };

  const listen = () => {
    $("text").addEventListener("pointerover", (event) => {
      if (tokenAt(event) !== null && state.pinned === null && event.pointerType === "mouse") showToken(tokenAt(event));
    });
    $("text").addEventListener("focusin", (event) => {
      if (tokenAt(event) === null) return;
      if (state.pinned === null) showToken(tokenAt(event));
      announceToken(tokenAt(event));
    });
    $("text").addEventListener("keydown", (event) => {
      const place = tokenAt(event);
      if (place === null || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === "Enter" || event.key === " ") pin(state.pinned === place ? null : place);
      else if (KEYS[event.key]) focusToken(Math.min(Math.max(KEYS[event.key](place), 0), spans.length - 1));
      else return;
      event.preventDefault();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (state.pinned !== null) pin(null);
      else chooseSlot(null);
    });
    document.addEventListener("click", (event) => {
      const slot = event.target.closest("[data-slot]"), context = event.target.closest("#contexts [data-token]");
      const place = tokenAt(event);
      if (slot) { chooseSlot(Number(slot.dataset.slot)); reveal($("slot-card")); }
      else if (context) goTo(Number(context.dataset.token));
      else if (place !== null) { pin(state.pinned === place ? null : place); reveal($("token-card")); }
    });
    $("map").addEventListener("click", (event) => chooseSlot(slotNear(event)));
    window.addEventListener("resize", redraw);
    window.addEventListener("hashchange", readAddress);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
  };

  /* --- the page --- */

  const telling = () => [...memory().slots].sort((a, b) => b.information - a.information).slice(0, TELLING);

  const fillTelling = () => {
    $("telling").replaceChildren(...telling().map((slot) => {
      const button = make("button", "", chips(slot));
      button.type = "button";
      button.dataset.slot = slot.slot;
      button.setAttribute("aria-label", `slot ${slot.slot}`);
      return button;
    }));
  };

  const chooseMemory = (index) => {
    state.memory = index;
    const { layer, slots_read, heads, n_keys } = memory();
    [...$("memories").children].forEach((button, i) => button.setAttribute("aria-checked", i === index));
    fillTelling();
    drawGround();
    $("heads").replaceChildren(...Array.from({ length: heads }, (_, head) => {
      const dot = make("b");
      dot.style.background = headColour(head);
      return make("li", "", dot, `head ${head}`);
    }));
    $("map-facts").textContent = `${number(n_keys)} \u00d7 ${number(n_keys)} sub-keys. The stronger the colour, the more ` +
      `weight a slot holds. Circles: what the token reads, by head.`;
    $("about").textContent = `${data.file}: ${plural(data.tokens.length, "token")} ` +
      (data.tokens.length < data.file_tokens ? `of ${number(data.file_tokens)} ` : "") +
      `read ${number(slots_read)} of ${number(n_keys * n_keys)} slots in the memory of layer ${layer}`;
  };

  const fillMemories = () => {
    for (const each of data.memory) each.known = new Map(each.slots.map((slot) => [slot.slot, slot]));
    if (data.memory.length < 2) return;
    data.memory.forEach(({ layer }, index) => {
      const button = make("button", "", `layer ${layer}`);
      button.type = "button";
      button.setAttribute("role", "radio");
      button.addEventListener("click", () => show(index, null, state.pinned));
      $("memories").append(button);
    });
  };

  /* The first token of the text that reads a slot about as much as any. */
  const firstReader = (slot) => Math.min(...slot.contexts
    .filter(([place, weight]) => shareOf(place, weight) >= greatestShare(slot) / 2).map(([place]) => place));

  /* Shows a memory, a slot (null: the most telling one) and a token (null: one that reads it). */
  const show = (index, slot, token) => {
    chooseMemory(index);
    const chosen = slotOf(slot) || telling()[0];
    showToken(token === null ? firstReader(chosen) : token);
    chooseSlot(chosen.slot);
    if (token !== null) goTo(token);
    else reveal(spans[state.shown]);
  };

  const readAddress = () => {
    const words = new URLSearchParams(location.hash.slice(1));
    const whole = (name, most) => (/^\d{1,10}$/.test(words.get(name)) && words.get(name) < most ? Number(words.get(name)) : null);
    const layer = data.memory.findIndex((each) => each.layer === whole("layer", Infinity));
    show(Math.max(layer, 0), whole("slot", Infinity), whole("token", spans.length));
  };

  readColours();
  document.title = `${data.file}: what the memory reads`;
  fillMemories();
  fillText();
  listen();
  readAddress();
})();
