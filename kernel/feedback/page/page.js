"use strict";
// Texts of models and labellers are set by textContent only.
const $ = (id) => document.getElementById(id);
const degrees = ["", "hardly", "slightly", "clearly", "much"];
let me = sessionStorage.getItem("labeller") || "";
let task = null;    // what is shown
let last = "";      // the question answered last
let at = 0;         // the button that the arrows have reached, 0: none
let editing = "";   // the side that is being edited
let busy = false;

function news(text, bad) {
  $("news").textContent = text;
  $("news").classList.toggle("bad", !!bad);
}

async function call(path, options) {
  const r = await fetch(path, options);
  if (!r.ok) throw new Error((await r.text()).trim() || r.statusText);
  return r;
}

function say(record) {
  return call("say", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(record) });
}

// once runs one thing at a time: a second press of a key while the first is on its way is dropped.
async function once(what) {
  if (busy) return;
  busy = true;
  try { await what(); } catch (e) { news(e.message + " Nothing is lost: try again.", true); } finally { busy = false; }
}

async function next(question) {
  const waiting = setTimeout(() => news("The model writes…"), 400);
  try {
    const q = new URLSearchParams({ labeller: me });
    if (question) q.set("question", question);
    const t = await (await call("next?" + q)).json();
    news("");
    show(t);
  } finally { clearTimeout(waiting); }
}

function show(t) {
  const same = task && JSON.stringify(task) === JSON.stringify(t);
  task = t;
  if (same && t.need === "nothing") return;
  at = 0; editing = "";
  for (const id of ["name", "vote", "message", "rating", "editor"]) $(id).hidden = true;
  $("who").hidden = !me;
  $("who").textContent = me;
  const counts = [];
  if (t.about) counts.push(t.about);
  if (t.of) counts.push(`turn ${t.turn} of ${t.of}`);
  if (t.need !== "name") counts.push(`${t.done} answered` + (t.left ? `, ${t.left} to go` : ""));
  $("progress").textContent = counts.join(" · ");
  $("title").textContent = !t.conversation ? "Which response is " + (t.mode === "red-team" ? "more harmful?" : "better?")
    : t.mode === "red-team" ? "Make an AI assistant say bad things" : "Talk to the assistant";
  $("dialogue").replaceChildren(...(t.turns || []).map(turn));
  document.body.dataset.need = t.need;
  switch (t.need) {
  case "name":
    $("name").hidden = false;
    $("title").textContent = "Human feedback";
    $("labeller").value = me || t.labeller || "";
    $("labeller").focus();
    break;
  case "vote": showVote(t); break;
  case "message":
    $("message").hidden = false;
    $("said").value = "";
    $("saidLabel").textContent = t.turn === 1 ? (t.mode === "red-team" ? "Try to make the assistant say something bad. Stay with one topic." : "Ask for help with any task that is done in text.") : "What do you say next?";
    $("said").focus();
    break;
  case "rating": showRating(t); break;
  case "nothing":
    news("No question is waiting. This page looks again by itself.");
    setTimeout(() => { if (task === t || task.need === "nothing") once(() => next()); }, 1500);
  }
  const turns = $("dialogue").children;
  if (turns.length > 1) turns[turns.length - 1].scrollIntoView({ block: t.need === "vote" ? "start" : "nearest" });
  else window.scrollTo(0, 0);
}

function turn(t) {
  const d = document.createElement("div"), b = document.createElement("b"), s = document.createElement("span");
  d.className = "turn " + (t.assistant ? "assistant" : "human");
  b.textContent = t.assistant ? "Assistant" : "Human";
  s.textContent = t.text;
  d.append(b, s);
  return d;
}

function showVote(t) {
  const word = t.mode === "red-team" ? "more harmful" : "better";
  $("vote").hidden = false;
  $("task").textContent = t.task;
  for (const side of ["a", "b"]) {
    const own = $(side).querySelector(".own");
    $(side).querySelector(".text").textContent = t[side]; // the vote is on what the model wrote
    own.textContent = t["edit_" + side] || "";
    own.hidden = !t["edit_" + side];
  }
  $("endA").textContent = "← A is " + word;
  $("endB").textContent = "B is " + word + " →";
  $("scale").replaceChildren();
  for (let n = 1; n <= 8; n++) {
    if (n === 5) { const g = document.createElement("div"); g.className = "gap"; $("scale").append(g); }
    const side = n <= 4 ? "a" : "b", strength = n <= 4 ? 5 - n : n - 4;
    const b = document.createElement("button"), k = document.createElement("kbd"), s = document.createElement("span");
    s.textContent = side.toUpperCase() + " " + degrees[strength];
    k.textContent = n;
    b.title = `${side.toUpperCase()} is ${degrees[strength]} ${word}` + (strength === 1 ? " (about the same: not kept for training)" : "");
    b.dataset.side = side;
    b.className = "f" + strength;
    if (t.previous && t.previous.pick === side && t.previous.strength === strength) b.classList.add("chosen");
    b.onclick = () => vote(n);
    b.append(s, k);
    $("scale").append(b);
  }
  $("editA").hidden = $("editB").hidden = t.mode === "red-team";
  $("back").hidden = !last || t.question === last;
  if (document.activeElement) document.activeElement.blur();
}

const buttons = () => [...$("scale").querySelectorAll("button")];

function vote(n) {
  const pick = n <= 4 ? "a" : "b", strength = n <= 4 ? 5 - n : n - 4, question = task.question;
  once(async () => { await say({ vote: { question, labeller: me, pick, strength } }); last = question; await next(); });
}

function skip() {
  const question = task.question;
  once(async () => { await say({ vote: { question, labeller: me, skip: true } }); last = question; await next(); });
}

function edit(side) {
  if (task.mode === "red-team") return;
  editing = side;
  $("editLabel").textContent = `Response ${side.toUpperCase()} as it should be: your version beats the original`;
  $("edit").value = task["edit_" + side] || task[side];
  $("editor").hidden = false;
  $("editor").scrollIntoView({ block: "end" });
  $("edit").focus();
}

function showRating(t) {
  $("rating").hidden = false;
  $("comment").value = "";
  $("likert").replaceChildren(...t.likert.map((l) => {
    const box = document.createElement("fieldset"), legend = document.createElement("legend"), row = document.createElement("div");
    legend.textContent = l.Text;
    row.className = "likert";
    row.append(l.Low);
    for (let n = 1; n <= 5; n++) {
      const label = document.createElement("label"), input = document.createElement("input");
      input.type = "radio"; input.name = l.Name; input.value = n;
      label.append(input, String(n));
      row.append(label);
    }
    row.append(l.High);
    box.append(legend, row);
    return box;
  }));
}

$("name").onsubmit = (e) => {
  e.preventDefault();
  const name = $("labeller").value.trim();
  if (!name) return;
  once(async () => {
    me = name;
    try { await next(); } catch (err) { if (task.need === "name") me = ""; throw err; }
    sessionStorage.setItem("labeller", me);
  });
};
$("who").onclick = () => { me = ""; last = ""; sessionStorage.removeItem("labeller"); once(() => next()); };
$("skip").onclick = skip;
$("editA").onclick = () => edit("a");
$("editB").onclick = () => edit("b");
$("back").onclick = () => once(() => next(last));
$("cancel").onclick = () => { $("editor").hidden = true; editing = ""; };
$("editor").onsubmit = (e) => {
  e.preventDefault();
  const question = task.question, side = editing, text = $("edit").value;
  once(async () => { await say({ edit: { question, labeller: me, side, text } }); await next(question); news("Your version is recorded. Now choose between A and B."); });
};
$("message").onsubmit = (e) => {
  e.preventDefault();
  once(async () => { await say({ message: { conversation: task.conversation, turn: task.turn, text: $("said").value } }); await next(); });
};
$("rating").onsubmit = (e) => {
  e.preventDefault();
  const answers = {};
  for (const l of task.likert) {
    const on = document.querySelector(`input[name="${l.Name}"]:checked`);
    if (on) answers[l.Name] = Number(on.value);
  }
  once(async () => { await say({ rating: { conversation: task.conversation, labeller: me, answers, comment: $("comment").value } }); last = ""; await next(); });
};

document.addEventListener("keydown", (e) => {
  const field = e.target.closest("textarea, input");
  if (e.key === "Escape" && editing) return $("cancel").onclick();
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && field) { e.preventDefault(); return field.form.requestSubmit(); }
  if (field || e.ctrlKey || e.metaKey || e.altKey || e.repeat || !task || task.need !== "vote") return;
  const key = e.key.toLowerCase();
  if (key >= "1" && key <= "8" && key.length === 1) vote(Number(key));
  else if (key === "s") skip();
  else if (key === "a" || key === "b") edit(key);
  else if (key === "e") edit(at > 4 ? "b" : "a");
  else if (key === "u" && last) once(() => next(last));
  else if (key === "arrowleft" || key === "arrowright") {
    const step = key === "arrowleft" ? -1 : 1;
    at = at ? Math.min(8, Math.max(1, at + step)) : (step < 0 ? 4 : 5);
    buttons()[at - 1].focus();
  } else return;
  e.preventDefault();
});

once(() => next());
