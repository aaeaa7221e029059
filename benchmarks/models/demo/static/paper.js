// The paper: strokes of a pointer, or a picture that was brought. Strokes are kept as points and drawn anew, for another
// colour scheme and small for the network.
const SIDE = 280, SENT = 112, PEN = 22;

export class Paper {
  strokes = [];
  picture = null; // {blob, image}: the file itself, and what the browser makes of it
  #pointer = null; // the one that draws; a second finger does not
  #canvas;
  #changed;

  constructor(canvas, changed) {
    [this.#canvas, this.#changed] = [canvas, changed];
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#follow(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        if (event.pointerId === this.#pointer) this.#pointer = null;
      });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.draw();
  }

  get empty() {
    return !this.strokes.length && !this.picture;
  }

  clear() {
    [this.strokes, this.picture, this.#pointer] = [[], null, null];
    this.draw();
  }

  // What is sent: the file as it came, or the strokes as a small picture.
  bytes() {
    if (this.picture) return this.picture.blob;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SENT;
    this.draw(canvas);
    const [, base64] = canvas.toDataURL("image/png").split(","); // toBlob waits until the browser is idle
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  }

  draw(canvas = this.#canvas) {
    const style = getComputedStyle(document.documentElement);
    const pen = canvas.getContext("2d");
    pen.setTransform(canvas.width / SIDE, 0, 0, canvas.height / SIDE, 0, 0);
    pen.fillStyle = style.getPropertyValue("--raised");
    pen.fillRect(0, 0, SIDE, SIDE);
    if (this.picture && this.picture.image) {
      const { width, height } = this.picture.image, scale = SIDE / Math.max(width, height);
      const [x, y] = [(SIDE - width * scale) / 2, (SIDE - height * scale) / 2];
      pen.drawImage(this.picture.image, x, y, width * scale, height * scale);
    }
    pen.strokeStyle = style.getPropertyValue("--text");
    pen.lineWidth = PEN;
    pen.lineCap = pen.lineJoin = "round";
    for (const stroke of this.strokes) {
      pen.beginPath();
      pen.moveTo(...stroke[0]);
      for (const point of stroke) pen.lineTo(...point);
      pen.stroke();
    }
  }

  #begin(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    if (this.picture) this.clear();
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.strokes.push([this.#point(event)]);
    this.draw();
    this.#changed();
  }

  #follow(event) {
    if (event.pointerId !== this.#pointer) return;
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    this.strokes.at(-1).push(...(events.length ? events : [event]).map((one) => this.#point(one)));
    this.draw();
    this.#changed();
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  }
}
