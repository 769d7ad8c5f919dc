// The live parts of the pages of kvadmin. Everything else works without this script.
"use strict";

const every = 2000; // milliseconds between two readings of the counters

// left formats seconds as the server does.
function left(s) {
	s = Math.ceil(s);
	const two = n => String(n).padStart(2, "0");
	if (s >= 2 * 86400) return Math.floor(s / 86400).toLocaleString("en") + "d " + two(Math.floor(s % 86400 / 3600)) + "h";
	if (s >= 3600) return Math.floor(s / 3600) + "h " + two(Math.floor(s % 3600 / 60)) + "m " + two(s % 60) + "s";
	if (s >= 60) return Math.floor(s / 60) + "m " + two(s % 60) + "s";
	return s + "s";
}

function countDown() {
	const times = [...document.querySelectorAll("time[data-left]")];
	if (times.length === 0) return;
	const loaded = performance.now();
	setInterval(() => {
		for (const t of times) {
			const s = t.dataset.left - (performance.now() - loaded) / 1000;
			t.textContent = s > 0 ? left(s) : "expired";
		}
	}, 1000);
}

function rate(f) {
	if (f >= 999500) return (f / 1e6).toFixed(f < 9.95e6 ? 1 : 0) + " M";
	if (f >= 9995) return (f / 1e3).toFixed(0) + " k";
	if (Number.isInteger(f) || f >= 100) return Math.round(f).toLocaleString("en");
	return f.toFixed(1);
}

function draw(figure, values, top, now, label) {
	const width = 300, height = 60, step = width / (Math.max(values.length, 30) - 1);
	const first = width - step * (values.length - 1);
	const line = values.map((v, i) => (first + step * i).toFixed(1) + "," + (2 + (height - 4) * (1 - v / top)).toFixed(1)).join(" ");
	const svg = figure.querySelector("svg");
	svg.querySelector("polyline").setAttribute("points", line);
	svg.querySelector("polygon").setAttribute("points", line && `${first.toFixed(1)},${height} ${line} ${width},${height}`);
	svg.setAttribute("aria-label", label);
	figure.querySelector("b").textContent = now;
}

function drawCharts(box, history) {
	const ops = history.map(s => s.ops);
	if (ops.length === 0) return;
	const top = Math.max(1, ...ops), now = rate(ops[ops.length - 1]);
	draw(box.querySelector(".ops"), ops, top, now, `operations per second: ${now} now, at most ${rate(top)}`);
	let last = null;
	const hits = [];
	for (const s of history) {
		if (s.hits !== null) last = s.hits;
		if (last !== null) hits.push(last);
	}
	if (last === null) return;
	const percent = last > 0.999 && last < 1 ? "99.9%" : Math.round(100 * last) + "%";
	draw(box.querySelector(".hits"), hits, 1, percent, `hit rate: ${percent} now`);
}

function followCharts() {
	const boxes = [...document.querySelectorAll(".charts[data-store]")];
	if (boxes.length === 0) return;
	const look = async () => {
		if (document.hidden) return;
		for (const box of boxes.slice(0, 20)) {
			try {
				const answer = await fetch(box.dataset.store + "?history=1", { headers: { Accept: "application/json" } });
				if (!answer.ok) continue;
				const store = await answer.json();
				drawCharts(box, store.history || []);
				const keys = box.parentElement.querySelector("[data-count=keys]");
				if (keys && store.keys !== null) keys.textContent = store.keys.toLocaleString("en");
			} catch {
				// the host is away; the next look tries again
			}
		}
	};
	setInterval(look, every);
}

// visible shows characters that would not be seen, or change the direction of the text.
function visible(s) {
	return s.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, c => "\\u{" + c.codePointAt(0).toString(16) + "}");
}

function short(s, n) {
	s = visible(s);
	return s.length > n ? s.slice(0, n) + "…" : s;
}

function followChanges() {
	const table = document.querySelector("table[data-watch]");
	if (!table || !table.dataset.watch) return;
	const state = document.getElementById("state"), rows = table.tBodies[0];
	const withValues = table.tHead.rows[0].cells.length === 5, most = 200;
	const source = new EventSource(table.dataset.watch);
	addEventListener("pagehide", () => source.close());
	const cell = (tag, text, name) => {
		const c = document.createElement(tag), b = document.createElement("bdi");
		b.textContent = text;
		c.append(b);
		if (name) c.className = name;
		return c;
	};
	source.addEventListener("ready", () => { state.textContent = "Waiting for changes."; });
	source.addEventListener("change", event => {
		const c = JSON.parse(event.data), row = document.createElement("tr");
		row.className = c.gone ? "new gone" : "new";
		row.append(cell("td", new Date().toLocaleTimeString(), "when"));
		const key = cell("th", "");
		key.scope = "row";
		const a = document.createElement("a");
		a.href = table.dataset.key + "?key=" + encodeURIComponent(c.key);
		a.textContent = short(c.key, 120);
		key.firstChild.append(a);
		row.append(key);
		if (withValues) row.append(cell("td", c.gone ? "" : short(c.text || "", 120), "preview"));
		const type = cell("td", c.gone ? "deleted" : c.type, "type");
		type.firstChild.className = "type-" + (c.gone ? "gone" : c.type);
		row.append(type, cell("td", c.gone || c.ttl === null ? "" : left(c.ttl), "num"));
		rows.prepend(row);
		while (rows.rows.length > most) rows.lastElementChild.remove();
		state.textContent = "Changes appear here as they happen, the latest first.";
	});
	source.addEventListener("lost", () => { state.textContent = "Some changes were lost: there were too many, or the store was cleared."; });
	source.addEventListener("error", event => {
		if (event.data) {
			state.textContent = JSON.parse(event.data).error.message;
			source.close();
		} else {
			state.textContent = "The connection broke; trying again.";
		}
	});
}

document.addEventListener("keydown", event => {
	if (event.key === "/" && !event.target.closest("input, textarea, select") && !event.ctrlKey && !event.metaKey && !event.altKey) {
		const search = document.querySelector("[data-search]");
		if (search) {
			event.preventDefault();
			search.focus();
		}
	}
});

countDown();
followCharts();
followChanges();
