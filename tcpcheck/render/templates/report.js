"use strict";
const walkers = [];
for (const trace of document.querySelectorAll("[data-trace]")) {
  const steps = [...trace.querySelectorAll(".detail")];
  if (!steps.length) continue;
  const panel = trace.querySelector(".steps");
  const order = steps.map((step) => step.dataset.step);
  let now = 0;

  const show = (index) => {
    now = Math.max(0, Math.min(order.length - 1, index));
    for (const part of trace.querySelectorAll(".now")) part.classList.remove("now");
    for (const part of trace.querySelectorAll(`[data-step="${order[now]}"]`)) part.classList.add("now");
    panel.scrollTop = 0;
  };
  const moves = {
    ArrowDown: () => now + 1, ArrowRight: () => now + 1, ArrowUp: () => now - 1, ArrowLeft: () => now - 1,
    Home: () => 0, End: () => order.length - 1,
  };
  const walk = (event) => {
    const move = moves[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    show(move());
    trace.querySelector(`.ladder .step[data-step="${order[now]}"]`)?.scrollIntoView({ block: "nearest" });
  };
  trace.addEventListener("keydown", walk);
  walkers.push({ trace, walk });
  trace.querySelector(".picture").addEventListener("click", (event) => {
    const part = event.target.closest("[data-step]");
    if (!part) return;
    show(order.indexOf(part.dataset.step));
    panel.focus({ preventScroll: true });
  });
  trace.classList.add("alive");
  show(0);
}
// With nothing focused, left and right go through the trace that fills the window; up and down still scroll.
document.addEventListener("keydown", (event) => {
  if (![document, document.body].includes(event.target) || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  const seen = ({ trace }) => {
    const box = trace.getBoundingClientRect();
    return Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
  };
  const best = walkers.sort((a, b) => seen(b) - seen(a))[0];
  if (best && seen(best) > 0) best.walk(event);
});
