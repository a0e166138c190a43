"use strict";

// Tables: sorted by their heads, filtered by words.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (row) => row.cells[column].dataset.key;
    const text = (row) => row.cells[column].textContent;
    const numbers = head.classList.contains("number");
    const order = (a, b) => {
      if (!numbers) return text(a).localeCompare(text(b), "en", { numeric: true }) * (up ? 1 : -1);
      if (key(a) === undefined || key(b) === undefined) return (key(a) === undefined) - (key(b) === undefined);
      return (key(a) - key(b)) * (up ? 1 : -1);
    };
    body.append(...[...body.rows].sort(order));
  }));
}
for (const input of document.querySelectorAll(".filter input")) {
  const table = input.closest("section").querySelector("table.sortable");
  const output = input.parentElement.querySelector("output");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const text = [...row.cells].map((cell, at) => table.tHead.rows[0].cells[at].textContent + "=" + cell.textContent)
        .join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    output.textContent = rows.filter((row) => !row.hidden).length + " of " + rows.length;
  });
}

// Charts: plotly.js travels compressed in this file, and is unpacked once. A chart is drawn when it comes near.
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(chart) {
  const text = chart.querySelector("script").textContent.replaceAll("#4d4d4d", css("--open"));
  const { data, layout } = JSON.parse(text);
  const hidden = new Set([...chart.querySelectorAll(".legend [aria-pressed=false]")].map((one) => one.dataset.line));
  for (const trace of data) trace.visible = !hidden.has(trace.legendgroup);
  const axis = { gridcolor: css("--grid"), linecolor: css("--quiet"), tickcolor: css("--quiet"), fixedrange: true };
  Object.assign(layout, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
    font: { color: css("--ink"), size: 13, family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: css("--page"), bordercolor: css("--quiet"), font: { color: css("--ink") }, align: "left" },
    xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
  });
  return Plotly.react(chart.querySelector(".canvas"), data, layout, { responsive: true, displayModeBar: false });
}

async function start() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (sign) => sign.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  const drawn = new Set();
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      drawn.add(target);
      draw(target).then(() => { target.dataset.drawn = "yes"; });
    }
  }, { rootMargin: "600px" });
  document.querySelectorAll(".chart").forEach((chart) => near.observe(chart));
  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
      draw(button.closest(".chart"));
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
  document.documentElement.dataset.charts = "ready";
}

if (document.documentElement.classList.contains("js")) {
  start().catch((error) => {
    document.documentElement.classList.remove("js");
    console.error(error);
  });
}
