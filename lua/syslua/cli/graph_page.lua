--- The graph of a config as one HTML page that needs nothing else: no network, no other file. Texts
-- of the config reach it as data, never as markup.

local lib = require("syslua").lib

local graph_page = {}

local page = [[
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sys.lua graph</title>
<style>
:root { --back: #fbfbf9; --text: #22262b; --faint: #6b7480; --line: #b9c0c8; --card: #ffffff;
  --build: #b5651d; --file: #2f7d4f; --link: #2f7d4f; --variable: #2b62b5; --command: #a4323f;
  --other: #6a4fa3; --mark: #e8a200; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --back: #16191d; --text: #e6e9ec; --faint: #98a1ab;
  --line: #49525c; --card: #1f2429; --build: #e2995a; --file: #6cc493; --link: #6cc493;
  --variable: #7fb0f5; --command: #ef8590; --other: #b7a0ea; --mark: #f2bd3d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 14px/1.35 system-ui, sans-serif; }
header { position: sticky; top: 0; z-index: 3; display: flex; flex-wrap: wrap; gap: 8px 20px;
  align-items: center; padding: 10px 16px; background: var(--back);
  border-bottom: 1px solid var(--line); }
h1 { font-size: 15px; margin: 0; }
h1 span { color: var(--faint); font-weight: 400; }
input { font: inherit; padding: 4px 8px; min-width: 220px; color: inherit;
  background: var(--card); border: 1px solid var(--line); border-radius: 5px; }
#legend { display: flex; gap: 14px; color: var(--faint); }
#legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px;
  margin-right: 5px; }
main { position: relative; margin: 12px 16px 60px; }
svg { position: absolute; left: 0; top: 0; overflow: visible; pointer-events: none; }
path { fill: none; stroke: var(--line); stroke-width: 1.3; }
path.on { stroke: var(--mark); stroke-width: 2.2; }
.title { position: absolute; color: var(--faint); font-size: 12px; letter-spacing: .04em;
  text-transform: uppercase; }
.node { position: absolute; height: 28px; padding: 4px 9px 4px 11px; overflow: hidden;
  white-space: nowrap; text-overflow: ellipsis; background: var(--card);
  border: 1px solid var(--line); border-left: 4px solid var(--kind); border-radius: 5px;
  cursor: default; text-align: left; font: inherit; color: inherit; }
.node:focus { outline: 2px solid var(--mark); outline-offset: 1px; }
.dim { opacity: .22; }
.on.node { border-color: var(--mark); border-left-color: var(--kind); }
#hover { position: fixed; z-index: 4; display: none; max-width: min(560px, 90vw); max-height: 60vh;
  overflow: auto; padding: 10px 12px; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; box-shadow: 0 6px 24px rgb(0 0 0 / .18); overflow-wrap: anywhere; }
#hover b { display: block; margin-bottom: 4px; }
#hover div { font: 12px/1.45 ui-monospace, monospace; }
#hover div.who { color: var(--faint); margin-top: 6px; }
</style>
<header>
  <h1>sys.lua <span id="config"></span></h1>
  <input id="find" type="search" placeholder="Find" aria-label="Find">
  <div id="legend"></div>
  <div id="count"></div>
</header>
<main></main>
<div id="hover" role="tooltip"></div>
<noscript>This page draws with JavaScript. "sys graph --format dot" needs none.</noscript>
<script id="data" type="application/json">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.querySelector("main"), hover = document.getElementById("hover");
const colours = { build: "build", file: "file", link: "link", variable: "variable",
  command: "command" };
const colour = (group) => "var(--" + (colours[group] || "other") + ")";
const nodes = new Map();
for (const node of data.nodes) nodes.set(node.id, Object.assign(node, { to: [], from: [] }));
for (const edge of data.edges) {
  nodes.get(edge.from).to.push(edge.to);
  nodes.get(edge.to).from.push(edge.from);
}
// A column for each step of builds, and the last one for what comes to the machine.
const depth = (node) => node.depth ??= node.from.length === 0 ? 0
  : 1 + Math.max(...node.from.map((id) => depth(nodes.get(id))));
const builds = data.nodes.filter((node) => node.kind !== "action");
const last = builds.length === 0 ? 0 : 1 + Math.max(...builds.map(depth));
const columns = Array.from({ length: last + 1 }, () => []);
for (const node of data.nodes) columns[node.kind === "action" ? last : depth(node)].push(node);
const order = (node) => node.from.length === 0 ? Infinity
  : node.from.reduce((sum, id) => sum + nodes.get(id).row, 0) / node.from.length;
const kinds = ["link", "file", "directory", "variable", "alias", "script", "command"];
const rank = (node) => (kinds.indexOf(node.group) + 1) || 99;
const width = 270, gap = 90, height = 36;
columns.forEach((column, index) => {
  const key = new Map(column.map((node) => [node, index === 0 ? 0 : order(node)]));
  column.sort((a, b) => (key.get(a) === key.get(b) ? 0 : key.get(a) < key.get(b) ? -1 : 1)
    || rank(a) - rank(b) || (a.label < b.label ? -1 : 1));
  const isLast = index === last, wide = isLast ? width * 1.5 : width;
  const title = document.createElement("div");
  title.className = "title";
  title.textContent = isLast ? "on this machine" : index === 0 ? "built first" : "built of these";
  title.style.left = index * (width + gap) + "px";
  if (column.length > 0) main.append(title);
  column.forEach((node, row) => {
    Object.assign(node, { row, x: index * (width + gap), y: 26 + row * height, wide });
    const box = document.createElement("button");
    box.className = "node";
    box.textContent = node.label;
    box.style.cssText = `left:${node.x}px;top:${node.y}px;width:${wide}px`;
    box.style.setProperty("--kind", colour(node.group));
    box.onmouseenter = (event) => show(node, event.clientX, event.clientY);
    box.onmousemove = (event) => place(event.clientX, event.clientY);
    box.onmouseleave = box.onblur = hide;
    box.onfocus = () => {
      const at = box.getBoundingClientRect();
      show(node, at.left, at.bottom);
    };
    node.box = box;
    main.append(box);
  });
});
main.style.width = (last * (width + gap) + width * 1.5) + "px";
main.style.height = 40 + height * Math.max(1, ...columns.map((column) => column.length)) + "px";
const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
for (const edge of data.edges) {
  const from = nodes.get(edge.from), to = nodes.get(edge.to);
  const x1 = from.x + from.wide, y1 = from.y + 14, x2 = to.x, y2 = to.y + 14;
  const bend = Math.max(40, (x2 - x1) / 2);
  edge.path = document.createElementNS(space, "path");
  edge.path.setAttribute("d", `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`);
  svg.append(edge.path);
}
main.prepend(svg);
function reach(start, way) {
  const seen = new Set(), pending = [start.id];
  while (pending.length > 0) {
    const id = pending.pop();
    if (!seen.has(id)) { seen.add(id); pending.push(...nodes.get(id)[way]); }
  }
  return seen;
}
function show(node, x, y) {
  const up = reach(node, "from"), down = reach(node, "to");
  for (const other of nodes.values()) {
    const isOn = up.has(other.id) || down.has(other.id);
    other.box.classList.toggle("on", isOn);
    other.box.classList.toggle("dim", !isOn);
  }
  for (const edge of data.edges) {
    const isOn = [up, down].some((side) => side.has(edge.from) && side.has(edge.to));
    edge.path.classList.toggle("on", isOn);
    edge.path.classList.toggle("dim", !isOn);
  }
  hover.replaceChildren();
  const add = (tag, words, name) => {
    const line = document.createElement(tag);
    line.textContent = words;
    if (name) line.className = name;
    hover.append(line);
  };
  add("b", node.label);
  for (const line of node.details) add("div", line);
  if (node.positions.length > 0) add("div", "declared at " + node.positions.join(" < "), "who");
  hover.style.display = "block";
  place(x, y);
}
function place(x, y) {
  const box = hover.getBoundingClientRect();
  hover.style.left = Math.max(8, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
  hover.style.top = Math.max(8, Math.min(y + 16, innerHeight - box.height - 8)) + "px";
}
function hide() {
  hover.style.display = "none";
  for (const on of document.querySelectorAll(".on")) on.classList.remove("on");
  find();
}
const field = document.getElementById("find");
function find() {
  const word = field.value.toLowerCase();
  for (const node of nodes.values()) {
    const words = [node.label, ...node.details, ...node.positions].join("\n").toLowerCase();
    node.box.classList.toggle("dim", word !== "" && !words.includes(word));
  }
  for (const edge of data.edges) edge.path.classList.toggle("dim", word !== "");
}
field.oninput = find;
document.getElementById("config").textContent = data.config;
document.getElementById("count").textContent =
  `${builds.length} built, ${data.nodes.length - builds.length} on this machine`;
for (const group of [...new Set(data.nodes.map((node) => node.group))]) {
  const entry = document.createElement("span"), square = document.createElement("i");
  square.style.background = colour(group);
  entry.append(square, group);
  document.getElementById("legend").append(entry);
}
</script>
</html>
]]

--- Returns the page.
---@param shown syslua.cli.Graph
---@param config string the path of the config, as people read it
---@return string
function graph_page.render(shown, config)
  local data = {
    config = require("syslua.util.text").printable(config),
    nodes = lib.array(shown.nodes),
    edges = lib.array(shown.edges),
  }
  local json = require("syslua.bindings").call("report_json", data)
  -- In a script only `</script>` and `<!--` end what is written.
  json = json:gsub("<", "\\u003c")
  return (page:gsub("@DATA@", function()
    return json
  end))
end

return graph_page
