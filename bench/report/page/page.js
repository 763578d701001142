"use strict";
// Everything is drawn from the JSON in #data; words of the user only ever become text.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
// Plotly reads a little HTML in its labels
const plain = (words) =>
  String(words).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const methods = data.methods;
const format = (x, digits = 4) =>
  x === null || x === undefined ? "–" : String(Number(Number(x).toPrecision(digits)));

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function fill(id, names, chosen) {
  const select = find(id);
  select.replaceChildren(...names.map((name) => element("option", name, { value: name })));
  if (names.includes(chosen)) select.value = chosen;
}

function colors() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return { ink: get("--ink"), paper: get("--paper"), line: get("--line") };
}

function layout(changes) {
  const { ink, paper, line } = colors();
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true };
  const narrow = window.innerWidth < 640;
  return {
    paper_bgcolor: paper,
    plot_bgcolor: paper,
    font: { color: ink, family: "system-ui, sans-serif" },
    margin: { l: 60, r: 15, t: 34, b: 50 },
    legend: narrow ? { orientation: "h", y: -0.25 } : {},
    ...changes,
    xaxis: { ...axis, ...changes.xaxis },
    yaxis: { ...axis, ...changes.yaxis },
  };
}

const options = { displaylogo: false, responsive: true };
const draw = (id, traces, changes) => Plotly.react(find(id), traces, layout(changes), options);

// black, the fourth colour, would not be seen on a dark page
function colorOf(method) {
  const dark = colors().paper !== "#ffffff";
  return dark && method.color === "#000000" ? "#ffffff" : method.color;
}

function drawTradeOff() {
  const [x, y, bars] = ["x", "y", "bars"].map((id) => find(id).value);
  const traces = [];
  const error = (statistics) => {
    if (bars === "none") return null;
    const [mean, se, low, high] = statistics;
    if (bars === "se") return [se ?? 0, se ?? 0];
    return low === null ? [0, 0] : [high - mean, mean - low];
  };
  methods.forEach((method, number) => {
    const own = data.settings.filter(
      (s) => s.method === number && x in s.statistics && y in s.statistics);
    for (const onLine of [true, false]) {
      const points = own.filter((s) => s.line === onLine);
      if (!points.length) continue;
      const bar = (score) => {
        const errors = points.map((s) => error(s.statistics[score]));
        return bars === "none" ? undefined : {
          type: "data", symmetric: false, thickness: 1,
          array: errors.map((e) => e[0]), arrayminus: errors.map((e) => e[1]),
        };
      };
      traces.push({
        name: plain(method.name), legendgroup: number, mode: onLine ? "lines+markers" : "markers",
        showlegend: onLine || !own.some((s) => s.line),
        x: points.map((s) => s.statistics[x][0]), y: points.map((s) => s.statistics[y][0]),
        error_x: bar(x), error_y: bar(y),
        line: { color: colorOf(method), dash: method.dash },
        marker: { color: colorOf(method), symbol: method.symbol, size: 9 },
        text: points.map((s) => plain(`${method.name}, β = ${s.beta}, ${s.n} seeds`)),
        hovertemplate: "%{text}<br>%{y:.4g} at %{x:.4g}<extra></extra>",
      });
    }
    if (find("seeds").checked) {
      const rows = data.runs.method.flatMap((m, row) => (m === number ? [row] : []));
      traces.push({
        legendgroup: number, showlegend: false, mode: "markers", type: "scatter",
        x: rows.map((row) => data.runs.scores[x][row]),
        y: rows.map((row) => data.runs.scores[y][row]),
        marker: { color: colorOf(method), symbol: method.symbol, size: 5, opacity: 0.45 },
        text: rows.map((row) => plain(
          `${method.name}, β = ${data.runs.beta[row]}, seed ${data.runs.seed[row]}, ` +
          `run ${data.runs.id[row]}`)),
        hovertemplate: "%{text}<br>%{y:.4g} at %{x:.4g}<extra></extra>",
      });
    }
    if (find("published").checked) traces.push(...drawPublished(method, number, x, y));
  });
  draw("trade-off-plot", traces, {
    xaxis: { title: { text: plain(x) } }, yaxis: { title: { text: plain(y) } },
    hovermode: "closest",
  });
}

function drawPublished(method, number, x, y) {
  const values = (score) =>
    data.published.filter((p) => p.method === method.name && p.score === score);
  return values(y).flatMap((up) =>
    values(x).filter((p) => p.table === up.table && p.beta === up.beta).map((across) => ({
      legendgroup: number, showlegend: false, mode: "markers",
      x: [across.value], y: [up.value],
      marker: { color: colorOf(method), symbol: `${method.symbol}-open`, size: 11 },
      text: [plain(`${method.name}, β = ${up.beta}, published, ${up.table}`)],
      hovertemplate: "%{text}<br>%{y:.4g} at %{x:.4g}<extra></extra>",
    })));
}

const comparisons = data.comparisons.data.map((row) =>
  Object.fromEntries(data.comparisons.columns.map((name, i) => [name, row[i]])));

function showVerdict() {
  const score = find("verdict-score").value;
  const found = comparisons.filter((c) => c.score === score);
  const places = [...new Set(found.map((c) => c.at))];
  const before = find("verdict-place").value;
  const able = (place) => found.some((c) => c.at === place && c.detectable !== null);
  const ordered = [...places].sort((a, b) => (b === "all β") - (a === "all β"));
  const usual = ordered.find(able) ?? ordered[0];
  fill("verdict-place", places, places.includes(before) ? before : usual);
  const at = find("verdict-place").value;
  const rows = found.filter((c) => c.at === at);
  showMatrix(rows);
  const heads = ["A", "B", "A is", "n", "A − B", "95% (t)", "95% (bootstrap)", "p", "p (Holm)",
    "P(A > B)", "d", "detectable"];
  const table = find("verdict-table");
  const head = element("tr");
  head.append(...heads.map((name) => element("th", name, { scope: "col" })));
  const body = rows.map((c) => {
    const line = element("tr");
    const interval = (low, high) => (low === null ? "–" : `${format(low, 3)} to ${format(high, 3)}`);
    const verdict = c.verdict === "not distinguishable"
      ? `not distinguishable with ${c.n} seeds` : c.verdict;
    const cells = [c.a, c.b, verdict, c.n, format(c.difference, 3), interval(c.t_low, c.t_high),
      interval(c.bootstrap_low, c.bootstrap_high), format(c.p, 2), format(c.p_holm, 2),
      format(c.probability_of_improvement, 2), format(c.cohen_d, 2), format(c.detectable, 2)];
    line.append(...cells.map((text) => element("td", text)));
    line.cells[2].className = c.verdict.split(" ")[0];
    return line;
  });
  table.replaceChildren(element("thead"), element("tbody"));
  table.tHead.append(head);
  table.tBodies[0].append(...body);
  if (!rows.length) find("verdict-matrix").textContent = "There is one method only.";
}

function showMatrix(rows) {
  const names = methods.map((m) => m.name).filter((n) => rows.some((c) => c.a === n || c.b === n));
  const table = element("table");
  const head = element("tr");
  head.append(element("th", "row − column"),
    ...names.map((name) => element("th", name, { scope: "col" })));
  table.append(head);
  const opposite = { better: "worse", worse: "better" };
  for (const a of names) {
    const line = element("tr");
    line.append(element("th", a, { scope: "row" }));
    for (const b of names) {
      const found = rows.find((c) => c.a === a && c.b === b);
      const turned = rows.find((c) => c.a === b && c.b === a);
      const cell = element("td", a === b ? "" : "–");
      if (found || turned) {
        const sign = found ? 1 : -1;
        const verdict = found ? found.verdict : opposite[turned.verdict] ?? turned.verdict;
        cell.textContent = format(sign * (found || turned).difference, 2);
        cell.className = verdict.split(" ")[0];
        cell.title = `${a} is ${verdict} than ${b}`.replace("distinguishable than", "distinguishable from");
      }
      line.append(cell);
    }
    table.append(line);
  }
  find("verdict-matrix").replaceChildren(table);
}

function drawDistributions() {
  const score = find("distribution-score").value;
  const values = data.runs.scores[score] ?? [];
  const boxes = [], profiles = [];
  // with few seeds a box says less than the points
  const few = data.settings.every((s) => s.n < 5);
  methods.forEach((method, number) => {
    const rows = data.runs.method.flatMap((m, row) =>
      (m === number && values[row] !== null ? [row] : []));
    if (!rows.length) return;
    const color = colorOf(method);
    boxes.push({
      type: "box", name: plain(method.name), boxpoints: "all", jitter: 0.4, pointpos: 0,
      x: rows.map((row) => `β = ${data.runs.beta[row]}`), y: rows.map((row) => values[row]),
      marker: { color, symbol: method.symbol, size: few ? 8 : 4 }, fillcolor: "rgba(0,0,0,0)",
      line: { color: few ? "rgba(0,0,0,0)" : color, width: 1 },
      text: rows.map((row) => plain(`seed ${data.runs.seed[row]}, run ${data.runs.id[row]}`)),
    });
    const shared = rows.filter((row) => data.shared[score].includes(data.runs.beta[row]));
    if (!shared.length) return;
    const sorted = shared.map((row) => values[row]).sort((a, b) => a - b);
    profiles.push({
      name: plain(method.name), mode: "lines", line: { color, dash: method.dash, shape: "hv" },
      x: [sorted[0], ...sorted], y: [1, ...sorted.map((_, i) => 1 - (i + 1) / sorted.length)],
    });
  });
  const title = { text: plain(score) };
  const categories = data.betas.map((beta) => `β = ${beta}`);
  draw("distribution-plot", boxes, {
    boxmode: "group", yaxis: { title },
    xaxis: { type: "category", categoryorder: "array", categoryarray: categories },
  });
  draw("profile-plot", profiles, {
    xaxis: { title }, yaxis: { title: { text: "share of runs above" }, range: [0, 1.02] },
  });
}

const aggregates = data.aggregates.data.map((row) =>
  Object.fromEntries(data.aggregates.columns.map((name, i) => [name, row[i]])));

function drawAggregates() {
  const score = find("distribution-score").value;
  const rows = aggregates.filter((a) => a.score === score).reverse();
  draw("aggregate-plot", [{
    type: "scatter", mode: "markers", showlegend: false,
    x: rows.map((a) => a.interquartile_mean), y: rows.map((a) => plain(a.method)),
    error_x: {
      type: "data", symmetric: false, thickness: 1.5,
      array: rows.map((a) => (a.high === null ? 0 : a.high - a.interquartile_mean)),
      arrayminus: rows.map((a) => (a.low === null ? 0 : a.interquartile_mean - a.low)),
    },
    marker: {
      size: 10,
      color: rows.map((a) => colorOf(methods.find((m) => m.name === a.method))),
      symbol: rows.map((a) => methods.find((m) => m.name === a.method).symbol),
    },
    text: rows.map((a) => `${a.n} runs of ${a.seeds} seeds`),
    hovertemplate: "%{y}: %{x:.4g}, %{text}<extra></extra>",
  }], { xaxis: { title: { text: plain(score) } }, yaxis: { type: "category" },
    height: 110 + 28 * rows.length });
}

function drawCorrelations() {
  const names = data.correlations.columns.slice(1);
  const cells = data.correlations.data.map((row) => row.slice(1));
  find("correlations").hidden = names.length < 2;
  if (names.length < 2) return;
  draw("correlation-plot", [{
    type: "heatmap", x: names.map(plain), y: names.map(plain), z: cells, zmin: -1, zmax: 1,
    colorscale: "RdBu", reversescale: false,
    text: cells.map((row) => row.map((v) => (v === null ? "" : v.toFixed(2)))),
    texttemplate: names.length < 16 ? "%{text}" : undefined,
    hovertemplate: "%{y}, %{x}: %{z:.2f}<extra></extra>",
  }], { yaxis: { autorange: "reversed" }, xaxis: { tickangle: -45 } });
}

function curveOf(curve, kind) {
  if (kind !== "regularisation") return curve[kind];
  return curve.loss.map((loss, i) => loss + curve.log_likelihood[i]);
}

function drawTraining() {
  const number = find("training-method").selectedIndex;
  const kind = find("training-curve").value;
  const own = data.curves.filter((c) => c.method === number);
  const betas = [...new Set(own.map((c) => c.beta))];
  const shown = new Set();
  // the first steps would hide the others
  const late = own.flatMap((c) => {
    const values = curveOf(c, kind);
    return values.slice(Math.ceil(values.length / 10)).filter((v) => v !== null);
  });
  const [low, high] = late.length ? [Math.min(...late), Math.max(...late)] : [0, 1];
  const edge = 0.05 * (high - low || 1);
  draw("training-plot", own.map((c) => {
    const shade = betas.length < 2 ? 0.3 : betas.indexOf(c.beta) / (betas.length - 1);
    const first = !shown.has(c.beta);
    shown.add(c.beta);
    return {
      name: plain(`β = ${c.beta}`), legendgroup: c.beta, showlegend: first, mode: "lines",
      x: c.step,
      y: curveOf(c, kind),
      line: {
        width: 1, dash: c.failed ? "dash" : "solid",
        color: `hsl(${Math.round(220 - 200 * shade)}, 70%, 50%)`,
      },
      text: plain(`seed ${c.seed}`), hovertemplate: "%{text}: %{y:.4g}<extra></extra>",
    };
  }), { xaxis: { title: { text: "step" } }, yaxis: {
    title: { text: "nats per image" }, range: [low - edge, high + edge] } });
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = element("button", head.textContent, { type: "button" });
    head.replaceChildren(button);
    let up = false;
    button.addEventListener("click", () => {
      up = !up;
      const key = (row) => {
        const cell = row.cells[column];
        return cell.dataset.value ?? cell.textContent.trim();
      };
      const number = (text) => (text === "" ? -Infinity : Number(text));
      const order = (a, b) => {
        const [left, right] = [key(a), key(b)];
        const numbers = [number(left), number(right)];
        const compared = numbers.some(Number.isNaN)
          ? left.localeCompare(right) : Math.sign(numbers[0] - numbers[1]) || 0;
        return up ? compared : -compared;
      };
      const rows = [...table.tBodies[0].rows].filter((row) => row.className !== "chance");
      const last = [...table.tBodies[0].rows].filter((row) => row.className === "chance");
      table.tBodies[0].append(...rows.sort(order), ...last);
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
    });
  });
}

function showRuns(row) {
  const [method, beta] = [row.cells[0].textContent, row.cells[1].textContent];
  const rows = data.runs.method.flatMap((m, i) =>
    (methods[m].name === method && data.runs.beta[i] === beta ? [i] : []));
  for (const other of row.parentNode.rows) other.classList.toggle("open", other === row);
  const names = [...data.headlines, ...data.scores.filter((s) => !data.headlines.includes(s))];
  const table = element("table");
  const head = element("tr");
  head.append(...["seed", "id", ...names].map((name) => element("th", name, { scope: "col" })));
  table.append(element("caption", `${method}, β = ${beta}`), head, ...rows.map((i) => {
    const line = element("tr");
    line.append(element("td", data.runs.seed[i]), element("td", data.runs.id[i]),
      ...names.map((name) => element("td", format(data.runs.scores[name][i]))));
    return line;
  }));
  find("runs").replaceChildren(table);
}

function drawAll() {
  drawTradeOff();
  drawDistributions();
  drawAggregates();
  drawCorrelations();
  drawTraining();
}

fill("y", data.scores, data.headlines[0]);
fill("x", data.scores, data.reconstruction);
fill("verdict-score", [...new Set(comparisons.map((c) => c.score))]);
fill("distribution-score", data.scores, data.headlines[0]);
fill("training-method", methods.map((m) => m.name));
for (const id of ["x", "y", "bars", "seeds", "published"])
  find(id).addEventListener("change", drawTradeOff);
for (const id of ["verdict-score", "verdict-place"]) find(id).addEventListener("change", showVerdict);
find("distribution-score").addEventListener("change", () => {
  drawDistributions();
  drawAggregates();
});
for (const id of ["training-method", "training-curve"])
  find(id).addEventListener("change", drawTraining);
makeSortable(find("settings-table"));
for (const row of find("settings-table").tBodies[0].rows) {
  if (row.className === "chance") continue;
  row.tabIndex = 0;
  row.addEventListener("click", () => showRuns(row));
  row.addEventListener("keydown", (event) => { if (event.key === "Enter") showRuns(row); });
}
find("filter").addEventListener("input", () => {
  const wanted = find("filter").value.toLowerCase();
  for (const row of find("settings-table").tBodies[0].rows)
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
find("theme").addEventListener("click", () => {
  const dark = colors().paper !== "#ffffff";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  drawAll();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
drawAll();
showVerdict();
