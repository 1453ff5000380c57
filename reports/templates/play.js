// The page of `backproof play --web`: what is drawn goes to the server as ink per pixel, what the backends answer comes back.
"use strict";

const PEN = 22; // pixels of the canvas's 280, about two of MNIST's 28
const STEP = 10; // pixels that an arrow key moves the pen
const $ = (id) => document.getElementById(id);
const labels = JSON.parse(document.body.dataset.labels);
const canvas = $("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const socket = new WebSocket(`ws://${location.host}/live`);
socket.binaryType = "arraybuffer";

function element(name, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

function trouble(sentence) {
  $("trouble").textContent = sentence;
  $("trouble").hidden = !sentence;
}

// ---- pictures and bars

function paint(target, pixels) {
  const image = target.getContext("2d").createImageData(target.width, target.height);
  pixels.forEach((ink, index) => (image.data[4 * index + 3] = ink)); // black, as opaque as there is ink
  target.getContext("2d").putImageData(image, 0, 0);
}

// A bar for every label; empty ones where nothing is known yet.
function bars(probabilities) {
  const list = element("ol", { className: "bars" });
  labels.forEach((label, index) => {
    const share = probabilities ? probabilities[index] : 0;
    const bar = element("span");
    bar.style.width = `${100 * share}%`;
    const row = element("li", { className: probabilities && share === Math.max(...probabilities) ? "most" : "" });
    row.append(element("span", { textContent: label }), element("span", { className: "bar" }, bar));
    row.append(element("span", { className: "share", textContent: probabilities ? `${(100 * share).toFixed(1)} %` : "" }));
    list.append(row);
  });
  return list;
}

// ---- drawing

let inked = false; // whether there is anything on the canvas
let changed = false; // whether it has changed since it was last sent
let awaited = 0; // drawings that are sent and not yet answered: at most one, so that none waits in a queue
let drawn = 0; // counts clearings, so that an answer to what has been cleared is not shown
let sent = 0;
context.lineWidth = PEN;
context.lineCap = context.lineJoin = "round";

function line(from, to) {
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.lineTo(to.x + (from.x === to.x && from.y === to.y ? 0.01 : 0), to.y); // a touch leaves a dot
  context.stroke();
  inked = changed = true;
  send();
}

function send() {
  if (!changed || !inked || awaited || socket.readyState !== WebSocket.OPEN) return;
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const ink = new Uint8Array(canvas.width * canvas.height);
  for (let index = 0; index < ink.length; index++) ink[index] = pixels[4 * index + 3];
  socket.send(ink);
  changed = false;
  awaited = 1;
  sent = drawn;
}

function clear() {
  context.clearRect(0, 0, canvas.width, canvas.height);
  inked = changed = false;
  drawn++;
  paint($("seen"), new Array($("seen").width * $("seen").height).fill(0));
  $("agreement").textContent = "";
  for (const card of $("answers").children) show(card, null);
}

function position(event) {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / canvas.clientWidth; // of the inside: the border is not drawn on
  return { x: (event.clientX - box.left - canvas.clientLeft) * scale, y: (event.clientY - box.top - canvas.clientTop) * scale };
}

let stroke = null; // the pointer that draws, and where it was last
canvas.addEventListener("pointerdown", (event) => {
  if (stroke || event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  stroke = { pointer: event.pointerId, last: position(event) };
  $("pen").hidden = true;
  line(stroke.last, stroke.last);
});
canvas.addEventListener("pointermove", (event) => {
  if (stroke?.pointer !== event.pointerId) return;
  const passed = event.getCoalescedEvents?.() ?? [];
  for (const each of passed.length ? passed : [event]) {
    const next = position(each);
    line(stroke.last, next);
    stroke.last = next;
  }
});
for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
  canvas.addEventListener(end, (event) => {
    if (stroke?.pointer === event.pointerId) stroke = null;
  });
}
$("clear").addEventListener("click", clear);

const pen = { x: canvas.width / 2, y: canvas.height / 4, down: false };
const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function showPen() {
  $("pen").hidden = false;
  $("pen").classList.toggle("down", pen.down);
  $("pen").style.left = `${(100 * pen.x) / canvas.width}%`;
  $("pen").style.top = `${(100 * pen.y) / canvas.height}%`;
}

canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in moves) {
    const [right, down] = moves[event.key];
    const from = { ...pen };
    pen.x = Math.min(canvas.width, Math.max(0, pen.x + STEP * right));
    pen.y = Math.min(canvas.height, Math.max(0, pen.y + STEP * down));
    if (pen.down) line(from, pen);
  } else if (event.key === " ") {
    pen.down = !pen.down;
    if (pen.down) line(pen, pen);
  } else if (event.key === "Delete" || event.key === "Backspace" || event.key === "Escape") {
    clear();
    pen.down = false;
  } else return;
  event.preventDefault();
  showPen();
});
canvas.addEventListener("blur", () => ($("pen").hidden = true));

// ---- what the backends answer

const CLASSES = { exact: "correct", rounding: "correct", wrong: "wrong", inconclusive: "inconclusive" };
const STATES = { waiting: "waits its turn", loading: "is loading …", ready: "" };

function showBackends(backends) {
  for (const { name, title, state, note } of backends) {
    let card = $(`answer-${name}`);
    if (!card) {
      card = element("section", { className: "answer", id: `answer-${name}` });
      $("answers").append(card);
    }
    if (card.dataset.state === state) continue;
    card.dataset.state = state;
    const heading = element("h2", {}, element("span", { textContent: title }), element("small"));
    card.replaceChildren(heading, element("p", { className: "state", textContent: note || STATES[state] }));
    if (state === "ready") show(card, null);
  }
  changed = inked; // one that has become ready is asked about what is there
  send();
}

function show(card, answer) {
  if (card.dataset.state !== "ready") return;
  card.querySelector("h2 small").textContent = answer ? `${answer.milliseconds.toPrecision(2)} ms` : "";
  const said = element("p", { className: "said", textContent: answer ? answer.label : "" });
  card.replaceChildren(card.firstChild, said, bars(answer?.probabilities));
}

function showAnswers({ image, answers, agreement }) {
  awaited = 0;
  if (sent === drawn) {
    paint($("seen"), image);
    for (const answer of answers) show($(`answer-${answer.name}`), answer);
    const said = [...new Set(answers.map((answer) => answer.label))];
    const what = said.length === 1 ? `${answers.length > 1 ? "All say" : "It says"} ${said[0]}. ` : "They do not agree. ";
    $("agreement").replaceChildren(element("strong", { textContent: what }));
    if (agreement) $("agreement").append(element("span", { className: CLASSES[agreement.verdict], textContent: agreement.sentence }));
    $("agreement").dataset.verdict = agreement ? agreement.verdict : "";
  }
  send();
}

// ---- the duel

let next = null; // the digit that comes after the one whose answers are shown; null while the person is asked

function showDigit(image) {
  next = null;
  paint($("dealt"), image);
  $("round").replaceChildren();
  $("bars").replaceChildren();
  const focused = document.activeElement === $("next");
  $("next").hidden = true;
  $("which").hidden = false;
  for (const button of $("choices").children) {
    button.disabled = false;
    button.className = "";
  }
  if (focused) $("choices").firstElementChild.focus({ preventScroll: true });
}

function guess(label) {
  if (next || socket.readyState !== WebSocket.OPEN || $("choices").firstElementChild.disabled) return;
  for (const button of $("choices").children) button.disabled = true;
  socket.send(JSON.stringify({ kind: "guess", label }));
}

function verdict(who, label, right) {
  const word = element("span", { className: right ? "correct" : "wrong", textContent: right ? "✓ right" : "✗ wrong" });
  return element("p", {}, `${who}: ${label} `, word);
}

function showRound(round) {
  next = round.next;
  for (const button of $("choices").children) {
    const label = Number(button.dataset.label);
    button.className = label === round.truth ? "truth" : label === round.person ? "missed" : "";
  }
  const truth = element("p", {}, element("strong", { textContent: `It is a ${round.truth}.` }));
  const person = verdict("You", round.person, round.person === round.truth);
  $("round").replaceChildren(truth, person, verdict(round.opponent, round.machine, round.machine === round.truth));
  $("bars").replaceChildren(bars(round.probabilities));
  $("person").textContent = round.score.person;
  $("machine").textContent = round.score.machine;
  $("opponent").textContent = `${round.opponent}, after ${round.score.played}`;
  $("worth").textContent = round.worth;
  $("next").hidden = false;
  $("which").hidden = true;
  $("next").focus({ preventScroll: true });
}

$("choices").addEventListener("click", (event) => {
  if (event.target.dataset.label) guess(Number(event.target.dataset.label));
});
$("next").addEventListener("click", () => next && showDigit(next));
document.addEventListener("keydown", (event) => {
  if ($("duel").hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (labels.map(String).includes(event.key)) guess(Number(event.key));
});

// ---- tabs

const tabs = [$("tab-draw"), $("tab-duel")];

function choose(tab) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", each === tab);
    each.tabIndex = each === tab ? 0 : -1;
    $(each.getAttribute("aria-controls")).hidden = each !== tab;
  }
}
for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tabs[1 - tabs.indexOf(tab)];
    choose(other);
    other.focus();
  });
}

// ---- the connection

const receive = {
  backends: (message) => showBackends(message.backends),
  answers: showAnswers,
  digit: (message) => showDigit(message.image),
  round: showRound,
  error: (message) => {
    awaited = 0;
    for (const button of $("choices").children) button.disabled = next !== null;
    trouble(message.sentence);
  },
};
socket.addEventListener("message", (event) => {
  const message = JSON.parse(event.data);
  if (message.kind !== "error" && message.kind !== "backends") trouble("");
  receive[message.kind](message);
});
socket.addEventListener("close", () => {
  for (const button of $("choices").children) button.disabled = true;
  trouble("backproof has stopped. Start it again and reload this page.");
});
