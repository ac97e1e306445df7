// A pad of 32 by 32 dots to draw on: with the mouse, a finger, a pen, or the arrow keys and the space bar.
const SIZE = 32;
const BRUSH = 2.1;

export default {
  template: `
    <canvas ref="canvas" class="pad" width="32" height="32" tabindex="0" role="img" :aria-label="label"
      @pointerdown.prevent="down" @pointermove.prevent="move" @pointerup="up" @pointercancel="up"
      @keydown="key" @focus="paint" @blur="paint"></canvas>
  `,
  props: { label: String },
  data: () => ({ dots: new Uint8Array(SIZE * SIZE), last: null, cursor: [16, 8], pen: false, drawing: false }),
  mounted() {
    this.paint();
  },
  methods: {
    clear() {
      this.dots.fill(0);
      this.pen = false;
      this.cursor = [16, 8];
      this.paint();
      this.tell();
    },
    place(event) {
      const box = this.$refs.canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
    },
    down(event) {
      this.$refs.canvas.setPointerCapture(event.pointerId);
      this.$refs.canvas.focus({ preventScroll: true });
      this.drawing = true;
      this.last = this.place(event);
      this.line(this.last, this.last);
    },
    move(event) {
      if (!this.drawing) return;
      const now = this.place(event);
      this.line(this.last, now);
      this.last = now;
    },
    up() {
      if (!this.drawing) return;
      this.drawing = false;
      this.tell();
    },
    key(event) {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key === " ") {
        this.pen = !this.pen;
        if (this.pen) this.line(this.cursor, this.cursor);
      } else if (event.key === "Delete" || event.key === "Backspace") {
        this.clear();
      } else if (steps[event.key]) {
        const [x, y] = steps[event.key];
        const next = [
          Math.min(SIZE - 1, Math.max(0, this.cursor[0] + x)),
          Math.min(SIZE - 1, Math.max(0, this.cursor[1] + y)),
        ];
        if (this.pen) this.line(this.cursor, next);
        this.cursor = next;
      } else {
        return;
      }
      event.preventDefault();
      this.paint();
      this.tell();
    },
    line([x0, y0], [x1, y1]) {
      const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) * 2));
      for (let step = 0; step <= steps; step++) {
        const x = x0 + ((x1 - x0) * step) / steps;
        const y = y0 + ((y1 - y0) * step) / steps;
        for (let row = Math.floor(y - BRUSH); row <= y + BRUSH; row++)
          for (let column = Math.floor(x - BRUSH); column <= x + BRUSH; column++)
            if (row >= 0 && row < SIZE && column >= 0 && column < SIZE)
              if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= BRUSH) this.dots[row * SIZE + column] = 1;
      }
      this.paint();
    },
    paint() {
      const context = this.$refs.canvas.getContext("2d");
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, SIZE, SIZE);
      context.fillStyle = "#10161d";
      this.dots.forEach((dot, place) => dot && context.fillRect(place % SIZE, Math.floor(place / SIZE), 1, 1));
      if (document.activeElement === this.$refs.canvas) {
        context.fillStyle = this.pen ? "#c2410c" : "#0b5cad";
        context.fillRect(this.cursor[0], this.cursor[1], 1, 1);
      }
    },
    tell() {
      this.$emit("drawn", Array.from(this.dots).join(""));
    },
  },
};
