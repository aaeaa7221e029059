// Asks while one draws: a picture at most every PAUSE_MS, all of them numbered. An answer to an older picture never
// replaces one to a newer, and what was asked before the paper was cleared is not shown.
import { Answers, tell } from "/answers.js";
import { Paper } from "/paper.js";

const PAUSE_MS = 40, STATE_MS = 1500, LARGEST = 1 << 20;
const GONE = "The server does not answer. If it has ended, start it again: tox -e demo";
const name = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => (byte % 36).toString(36)).join("");
const find = (id) => document.getElementById(id);
const seen = find("seen").getContext("2d");
let sent = 0, shown = 0, cleared = 0, asking = 0, last = -Infinity, timer = 0;

const busy = () => find("frameworks").setAttribute("aria-busy", String(asking > 0 || timer !== 0));

const changed = () => {
  timer ||= setTimeout(send, Math.max(0, last + PAUSE_MS - performance.now()));
  busy();
};

const clear = () => {
  clearTimeout(timer);
  [timer, cleared] = [0, sent];
  paper.clear();
  seen.clearRect(0, 0, 28, 28);
  tell("");
  answers.clear();
};

// Returns whether the server could make something of it.
const send = async () => {
  const start = performance.now(), number = ++sent;
  [timer, last] = [0, start];
  asking++;
  try {
    const response = await fetch(`/digit?page=${name}`, { method: "POST", body: paper.bytes() });
    if (!response.ok) {
      refuse(number, (await response.json().catch(() => null))?.error ?? `The server refused: ${response.status}`);
      return false;
    }
    for await (const answer of lines(response.body)) take(number, answer, performance.now() - start);
    return true;
  } catch {
    refuse(number, GONE);
    return false;
  } finally {
    asking--;
    busy();
  }
};

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts.map((part) => JSON.parse(part));
  }
}

const take = (number, answer, wholeMs) => {
  if (number <= cleared) return;
  if (!answer.seen) return answers.take(number, answer, wholeMs);
  if (number < shown) return;
  shown = number;
  tell("");
  const image = new ImageData(28, 28);
  [...atob(answer.seen)].forEach((letter, index) => {
    const level = letter.charCodeAt(0);
    image.data.set([level, level, level, 255], 4 * index);
  });
  seen.putImageData(image, 0, 0);
};

const refuse = (number, words) => {
  if (number > cleared && number >= shown) tell(words);
};

const ask = async () => {
  try {
    const { network, frameworks } = await (await fetch("/state")).json();
    if (!find("facts").childElementCount) {
      find("facts").append(...network.map((fact) => Object.assign(document.createElement("li"), { textContent: fact })));
    }
    if (answers.states(frameworks) && !paper.empty) changed();
    if (find("problem").textContent === GONE) tell("");
  } catch {
    tell(GONE);
  }
  setTimeout(ask, document.hidden ? 10 * STATE_MS : STATE_MS);
};

const bring = async (blob) => {
  clear();
  if (blob.size > LARGEST) return tell("More than 1 MiB; save the picture smaller.");
  const picture = (paper.picture = { blob, image: null });
  if (!(await send())) return; // what the server refuses is not decoded here either
  picture.image = await createImageBitmap(blob).catch(() => null);
  if (paper.picture === picture && picture.image) paper.draw();
};
const bringFirst = (list) => {
  if (list?.length) bring(list[0]);
};

const paper = new Paper(find("paper"), changed);
const answers = new Answers(async (line) => {
  line.become({ state: "starting" });
  find("paper").focus(); // the button that had the focus is gone
  await fetch(`/restart/${line.name}`, { method: "POST" }).catch(() => tell(GONE));
});

find("clear").addEventListener("click", clear);
find("upload").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", () => {
  bringFirst([...find("file").files]);
  find("file").value = "";
});
document.addEventListener("paste", (event) => bringFirst(event.clipboardData.files));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" || event.key === "Delete") clear();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  find("paper").addEventListener(kind, (event) => {
    event.preventDefault();
    find("paper").classList.toggle("over", kind === "dragover");
    if (kind === "drop") bringFirst(event.dataTransfer.files);
  });
}
ask();
