"use strict";
const $ = (id) => document.getElementById(id);
const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
let models = [];
let key = sessionStorage.getItem("key") || "";
const current = () => models.find((one) => one.name === $("model").value);
const say = (text, wrong = false) => {
  $("status").textContent = text;
  $("status").className = wrong ? "error" : "";
};

// -- requests

async function ask(path, options = {}) {
  const headers = { ...(options.headers || {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) {
    $("key-form").hidden = false;
    $("key").focus();
  }
  if (!response.ok) {
    let message = `${response.status} ${response.statusText}`;
    try { message = (await response.json()).error; } catch { /* no JSON: the status says enough */ }
    throw new Error(message);
  }
  return response;
}

function form(input) {
  const data = new FormData();
  data.append("model", current().name);
  if ($("errors").value && !$("certainty").hidden) data.append("max_error", $("errors").value);
  if (input.file) data.append("file", input.file, input.name);
  else data.append(current().input === "prompt" ? "prompt" : "text", input.text);
  return data;
}

async function predict(input) {
  say("Predicting ...");
  try {
    const answer = await (await ask("/predict", { method: "POST", body: form(input) })).json();
    say("");
    show(input, answer.predictions[0]);
  } catch (error) {
    say("");
    show(input, { error: error.message });
  }
}

async function explain(input, place, button) {
  button.disabled = true;
  place.replaceChildren(element("p", "Explaining ..."));
  try {
    const body = form(input);
    body.delete("max_error");
    if (!input.file) body.append("format", "json");
    const response = await ask("/explain", { method: "POST", body });
    if (input.file) {
      const image = element("img");
      image.alt = "Explanation of the prediction";
      image.src = URL.createObjectURL(await response.blob());
      place.replaceChildren(image);
    } else {
      place.replaceChildren(...words((await response.json()).explanation));
    }
  } catch (error) {
    place.replaceChildren(element("p", error.message, "error"));
  }
  button.disabled = false;
}

// -- results

function show(input, found) {
  const part = $("result").content.cloneNode(true);
  const [shown, place] = [part.querySelector(".shown"), part.querySelector(".found")];
  part.querySelector(".about").textContent = [input.name, current().name].filter(Boolean).join(", ");
  if (found.error && input.file) shown.remove();
  else if (input.file && current().input === "image") shown.append(withBoxes(input, found));
  else if (input.file) {
    const audio = element("audio");
    audio.controls = true;
    audio.src = URL.createObjectURL(input.file);
    shown.append(audio);
  } else shown.append(element("blockquote", input.text));
  place.append(...described(found));
  const button = part.querySelector(".explain");
  const explanation = part.querySelector(".explanation");
  button.hidden = current().explain.length === 0 || Boolean(found.error);
  const model = current().name;
  button.addEventListener("click", () => {
    if (current().name !== model) $("model").value = model, choose();
    explain(input, explanation, button);
  });
  $("results").prepend(part);
}

function withBoxes(input, found) {
  const frame = element("div", undefined, "frame");
  const image = element("img");
  image.alt = input.name;
  image.src = URL.createObjectURL(input.file);
  frame.append(image);
  const boxes = found.boxes || [];
  image.addEventListener("load", () => {
    if (!boxes.length) return;
    const space = "http://www.w3.org/2000/svg";
    const drawing = document.createElementNS(space, "svg");
    drawing.setAttribute("viewBox", `0 0 ${image.naturalWidth} ${image.naturalHeight}`);
    for (const { box: [left, top, right, bottom] } of boxes) {
      const outline = document.createElementNS(space, "rect");
      for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) {
        outline.setAttribute(name, value);
      }
      drawing.append(outline);
    }
    frame.append(drawing);
  });
  return frame;
}

function described(found) {
  if (found.error) return [element("p", found.error, "error")];
  const notes = [];
  if (found.out_of_distribution) notes.push(element("p", "Unsure: unlike the training data", "warn"));
  if (found.unsure === true) notes.push(element("p", "Unsure: no class reaches the error rate asked for", "warn"));
  return [...notes, ...main(found)];
}

function main(found) {
  const scores = found.classes || found.tags || found.boxes;
  if (scores) {
    const named = scores.map((one) => [one.class ?? one.tag, one.probability ?? one.score ?? one.share]);
    const bars = named.map(([name, score]) => bar(name, score));
    if (!named.length) return [element("p", "Nothing found", "answer")];
    return "probability" in scores[0] && found.classes ? [element("p", named[0][0], "answer"), ...bars] : bars;
  }
  if (found.words) return [transcript(found)];
  const texts = found.translations?.map((one) => one.text) ?? (found.text === undefined ? [] : [found.text]);
  if (texts.length) return texts.map((text) => element("p", text || "(nothing)", "answer"));
  if (found.prediction) {
    return Object.entries(found.prediction).map(([name, value]) => {
      const ends = found.interval?.[name].map((end) => end.toPrecision(5)).join(" to ");
      return element("p", `${name}: ${value.toPrecision(5)}${ends ? ` (${ends})` : ""}`, "answer");
    });
  }
  const { input, ...rest } = found;
  return [element("pre", JSON.stringify(rest, null, 1))];
}

function transcript(found) {
  const line = element("p", found.words.length ? undefined : found.text || "(no speech)", "answer");
  for (const word of found.words) {
    const one = element("span", word.word, word.unsure ? "unsure" : "");
    one.title = `${word.start} s, ${percent(word.confidence)}${word.unsure ? ", unsure" : ""}`;
    line.append(one, " ");
  }
  return line;
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;

function bar(name, score) {
  const row = element("div", undefined, "bar");
  const meter = element("meter");
  meter.value = score;
  meter.setAttribute("aria-label", `${name}: ${percent(score)}`);
  row.append(element("span", name), meter, element("span", percent(score)));
  return row;
}

function words(explanation) {
  return explanation.targets.flatMap((target) => {
    const line = element("p", undefined, "words");
    line.append(element("b", `${target.target}: `));
    const most = Math.max(...target.words.map((one) => Math.abs(one.attribution)), 1e-9);
    for (const { word, attribution } of target.words) {
      const one = element("span", word);
      const color = attribution > 0 ? "37,99,201" : "201,80,37";
      one.style.background = `rgba(${color},${(0.6 * Math.abs(attribution)) / most})`;
      one.title = attribution.toPrecision(3);
      line.append(one, " ");
    }
    return [line, ...target.warnings.map((warning) => element("p", warning, "warn"))];
  });
}

// -- inputs

const named = (file) => ({ file, name: file.name || "pasted.png" });

async function predictFiles(files) {
  for (const file of files) await predict(named(file));
}

function droppable(zone, input) {
  zone.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") event.preventDefault(), input.click();
  });
  input.addEventListener("change", () => predictFiles([...input.files]).then(() => { input.value = ""; }));
  for (const name of ["dragover", "dragleave", "drop"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", name === "dragover");
      if (name === "drop") predictFiles([...event.dataTransfer.files]);
    });
  }
}

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])];
  if (files.length && current() && ["image", "audio"].includes(current().input)) predictFiles(files);
});

const predictText = () => $("text").value && predict({ text: $("text").value });
$("text-go").addEventListener("click", predictText);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.preventDefault(), predictText();
});

// -- the microphone

let active = null; // what uses the microphone: {stopped, stop}; stop is null while the microphone is being opened

async function microphone(rate, onSamples) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext({ sampleRate: rate });
  const stop = () => {
    stream.getTracks().forEach((track) => track.stop());
    if (context.state !== "closed") context.close();
  };
  try {
    await context.audioWorklet.addModule("/page/recorder.js");
    const node = new AudioWorkletNode(context, "recorder", { channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = (event) => onSamples(event.data);
    context.createMediaStreamSource(stream).connect(node);
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}

function wav(pieces, rate) {
  const count = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const head = new DataView(new ArrayBuffer(44));
  const put = (place, text) => [...text].forEach((one, n) => head.setUint8(place + n, one.charCodeAt(0)));
  put(0, "RIFF"), put(8, "WAVEfmt "), put(36, "data");
  head.setUint32(4, 36 + 2 * count, true), head.setUint32(16, 16, true), head.setUint16(20, 1, true);
  head.setUint16(22, 1, true), head.setUint32(24, rate, true), head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true), head.setUint16(34, 16, true), head.setUint32(40, 2 * count, true);
  return new Blob([head, ...pieces], { type: "audio/wav" });
}

// start: opens the microphone and gives what ends it; it calls finished() when all is done.
async function toggle(button, start) {
  if (active) {
    const again = active.stopped;
    active.stopped = true; // one that is being opened ends as soon as it is open
    if (!again) active.stop?.();
    return;
  }
  const session = active = { stopped: false, stop: null };
  button.setAttribute("aria-pressed", "true");
  const finished = () => {
    if (active === session) active = null;
    button.setAttribute("aria-pressed", "false");
  };
  try {
    session.stop = await start(finished);
    if (session.stopped) session.stop();
  } catch (error) {
    say(error.message, true);
    finished();
  }
}

$("record").addEventListener("click", () => toggle($("record"), async (finished) => {
  const rate = current().sample_rate;
  const pieces = [];
  const stop = await microphone(rate, (samples) => pieces.push(samples));
  say("Recording. Press the button again to end.");
  return () => {
    stop();
    finished();
    if (pieces.length) predict({ file: wav(pieces, rate), name: "recording.wav" });
    else say("Nothing was recorded.");
  };
}));

$("live").addEventListener("click", () => toggle($("live"), async (finished) => {
  const { name, sample_rate: rate } = current();
  const encoded = btoa(key).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const address = `${scheme}://${location.host}/live?model=${encodeURIComponent(name)}`;
  // The microphone first: the server does not wait for a person who is asked for permission.
  const held = []; // samples from before the connection is open
  let socket = null;
  let refused = false;
  const stop = await microphone(rate, (samples) => {
    if (!socket || socket.readyState === WebSocket.CONNECTING) held.push(samples);
    else if (socket.readyState === WebSocket.OPEN) socket.send(samples);
  });
  const [done, now] = [element("p"), element("p")];
  $("live-text").replaceChildren(done, now);
  $("live-text").hidden = false;
  socket = new WebSocket(address, ["sensorium", ...(key ? [`sensorium.key.${encoded}`] : [])]);
  socket.onmessage = (event) => {
    const found = JSON.parse(event.data);
    if (found.error) refused = true, say(found.error, true);
    const text = found.text ?? found.command;
    if (text === undefined) return;
    now.textContent = text;
    if (found.done !== false) done.textContent += `${text} `, now.textContent = "";
  };
  socket.onclose = () => { stop(); finished(); };
  await new Promise((resolve, reject) => {
    socket.onopen = () => {
      held.forEach((samples) => socket.send(samples));
      resolve();
    };
    socket.onerror = () => reject(new Error("The connection for live audio cannot be opened."));
  });
  if (!refused) say("Listening. Press the button again to end.");
  return () => {
    stop();
    if (!refused) say("");
    if (socket.readyState === WebSocket.OPEN) socket.send("end");
  };
}));

// -- models

function choose() {
  const model = current();
  if (!model) return;
  $("about").textContent = `${model.task.replaceAll("_", " ")}: ${model.description}`;
  $("image-input").hidden = model.input !== "image";
  $("audio-input").hidden = model.input !== "audio";
  $("text-input").hidden = !["text", "prompt"].includes(model.input);
  $("text-label").textContent = model.input === "prompt" ? "Prompt" : "Text";
  $("text-verb").textContent = model.input === "prompt" ? "Generate" : "Predict";
  say("");
  $("live").hidden = !model.live;
  $("certainty").hidden = !model.options.includes("max_error");
}

async function load() {
  try {
    models = (await (await ask("/models")).json()).models;
    $("key-form").hidden = true;
    $("model").replaceChildren(...models.map((model) => element("option", model.name)));
    choose();
  } catch (error) {
    if (key || $("key-form").hidden) say(error.message, true); // the form asks for a first key by itself
  }
}

$("model").addEventListener("change", choose);
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value;
  sessionStorage.setItem("key", key);
  load();
});
droppable($("drop"), $("image-file"));
droppable($("drop-audio"), $("audio-file"));
load();
