// What the frameworks say: a line each, and above them what they say together.
const HINT = "Draw in the box: each framework answers while you draw.";
const PAUSE_MS = 700; // a screen reader hears the answer once one pauses
const NOTHING = Array(10).fill(0);

const find = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(share > 0.9995 ? 0 : 1)} %`;
const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const add = (element, name, words) => {
  const made = document.createElement(name);
  made.textContent = words;
  element.append(made);
  return made;
};
const say = (element, words) => {
  if (element.textContent !== words) element.textContent = words;
};

export const tell = (words) => say(find("problem"), words);

class Line {
  number = 0; // of the picture that it shows the answer to
  state = "";
  most = null; // the digit that it reads
  share = 0;

  constructor(name, restart) {
    this.name = name;
    this.item = find("framework").content.cloneNode(true).querySelector("li");
    this.item.dataset.framework = name;
    this.part(".name b").textContent = name;
    for (let digit = 0; digit < 10; digit++) {
      const bar = add(this.part(".bars"), "li", "");
      add(add(bar, "i", ""), "u", "");
      bar.append(String(digit));
    }
    this.part("button").setAttribute("aria-label", `Start ${name} again`);
    this.part("button").addEventListener("click", () => restart(this));
    find("frameworks").append(this.item);
  }

  part(selector) {
    return this.item.querySelector(selector);
  }

  empty() {
    this.#bars(NOTHING, null);
    say(this.part(".top"), this.state === "starting" ? "starting …" : "");
    this.part(".time").replaceChildren();
  }

  fill({ probabilities, seconds }, wholeMs) {
    this.#bars(probabilities, probabilities.indexOf(Math.max(...probabilities)));
    this.part(".top").replaceChildren();
    add(this.part(".top"), "b", this.most);
    add(this.part(".top"), "span", percent(this.share));
    this.part(".time").replaceChildren();
    add(this.part(".time"), "b", ms(1000 * seconds));
    this.part(".time").append(document.createElement("br"), ms(wholeMs));
    this.item.dataset.whole = wholeMs;
  }

  #bars(shares, most) {
    [this.most, this.share] = [most, most === null ? 0 : shares[most]];
    this.item.querySelectorAll(".bars li").forEach((bar, digit) => {
      bar.classList.toggle("most", digit === most);
      bar.querySelector("u").style.height = `${100 * shares[digit]}%`;
    });
  }

  // Returns whether that is news.
  become({ state, reason, version, mode }) {
    if (version) say(this.part(".version"), `${version}, ${mode}`);
    if (state === this.state || state === "busy") return false;
    this.state = this.item.dataset.state = state;
    this.part(".lost").hidden = state !== "lost";
    say(this.part(".lost span"), state === "lost" ? `It has ended. ${reason}` : "");
    this.empty();
    return true;
  }
}

export class Answers {
  #lines = new Map();
  #restart;
  #timer = 0;

  constructor(restart) {
    this.#restart = restart;
  }

  // Takes the state of all; returns whether one that was not ready is now.
  states(found) {
    const ready = found.map((state) => this.state(state) && state.state === "ready");
    return ready.some(Boolean);
  }

  state(found) {
    if (!this.#lines.has(found.framework)) {
      this.#lines.set(found.framework, new Line(found.framework, this.#restart));
    }
    const news = this.#lines.get(found.framework).become(found);
    if (news) this.#verdict(found.state === "lost" ? `${found.framework} has ended` : "");
    return news;
  }

  take(number, answer, wholeMs) {
    const line = this.#lines.get(answer.framework);
    if (!line || number < line.number) return;
    if (answer.state) this.state(answer);
    if (!answer.probabilities || line.state !== "ready") return;
    line.number = number;
    line.fill(answer, wholeMs);
    this.#verdict();
  }

  clear() {
    for (const line of this.#lines.values()) line.empty();
    this.#verdict();
  }

  #verdict(news = "") {
    const readers = new Map();
    for (const { name, most } of this.#lines.values()) {
      if (most !== null) readers.set(most, [...(readers.get(most) || []), name]);
    }
    const said = [...readers].sort((one, other) => other[1].length - one[1].length);
    const words = this.#words(said);
    say(find("digit"), said.length ? String(said[0][0]) : "");
    say(find("words"), words);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => say(find("live"), news || (said.length ? `${said[0][0]}. ${words}` : "")), PAUSE_MS);
  }

  #words(said) {
    if (!said.length) return HINT;
    if (said.length > 1) return said.map(([digit, names]) => `${names.join(", ")}: ${digit}`).join("; ");
    const names = said[0][1], least = Math.min(...names.map((name) => this.#lines.get(name).share));
    return `${names.length === 1 ? `${names[0]} reads it so` : `All ${names.length} read the same`}, with at least ${percent(least)}.`;
  }
}
