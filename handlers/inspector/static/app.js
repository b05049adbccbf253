// What htmx does not do: local times, the theme, copying, the search in a payload, and pausing the updates.
"use strict";
document.documentElement.classList.add("js");

const two = (n) => String(n).padStart(2, "0");
const clock = (d) => two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds());
const day = (d) => d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate());

// localize shows times in the visitor's zone; the title keeps UTC.
function localize(root) {
	for (const t of root.querySelectorAll("time:not([title])")) {
		const d = new Date(t.dateTime);
		t.title = t.textContent;
		t.textContent = (day(d) === day(new Date()) ? "" : day(d) + " ") + clock(d);
	}
	for (const t of root.querySelectorAll("[data-minute]")) {
		t.textContent = clock(new Date(t.dataset.minute)).slice(0, 5);
	}
}

function toast(text) {
	const box = document.querySelector(".toast");
	box.textContent = text;
	box.hidden = false;
	setTimeout(() => { box.hidden = true; }, 2500);
}

async function copy(button) {
	const answer = await fetch(button.dataset.copy, { method: "POST" });
	const text = await answer.text();
	if (!answer.ok) {
		toast("Not copied: the server answered " + answer.status);
		return;
	}
	try {
		await navigator.clipboard.writeText(text);
		toast("Copied");
	} catch { // the browser allows it only with permission, and only over HTTPS or on localhost
		const dialog = document.getElementById("copied");
		dialog.querySelector("pre").textContent = text;
		dialog.showModal();
	}
}

function search(input) {
	const wanted = input.value.trim().toLowerCase();
	let first = null;
	for (const line of document.querySelectorAll("[data-lines] li")) {
		const found = wanted !== "" && line.textContent.toLowerCase().includes(wanted);
		line.classList.toggle("found", found);
		first = first || (found ? line : null);
	}
	if (first) {
		first.scrollIntoView({ block: "nearest" });
	}
}

let paused = false;
document.addEventListener("click", (e) => {
	const button = e.target.closest("button");
	if (!button) {
		return;
	}
	if (button.dataset.copy) {
		copy(button);
	} else if ("themeToggle" in button.dataset) {
		const root = document.documentElement;
		const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
		root.dataset.theme = dark ? "light" : "dark";
		document.cookie = "theme=" + root.dataset.theme + "; path=/; max-age=31536000; samesite=strict";
	} else if ("pause" in button.dataset) {
		paused = !paused;
		button.setAttribute("aria-pressed", paused);
		button.querySelector("[data-label]").textContent = paused ? "Paused" : "Live";
	}
});
document.addEventListener("input", (e) => {
	if ("search" in e.target.dataset) {
		search(e.target);
	}
});
// If an update is the same as what is shown, keep the page as it is, so that the focus and the selection stay.
const live = (page) => page.getElementById("live")?.outerHTML;
let shown = live(document);
document.addEventListener("htmx:beforeSwap", (e) => {
	if (e.detail.target.id === "live") {
		const next = live(new DOMParser().parseFromString(e.detail.xhr.responseText, "text/html"));
		e.detail.shouldSwap = e.detail.shouldSwap && next !== shown;
		shown = next;
	}
});
document.addEventListener("htmx:configRequest", (e) => {
	if (e.detail.elt.id === "live" && (paused || document.hidden)) {
		e.preventDefault();
	}
});

// Leaving the page cancels an update that is in flight. That is not an error, so do not let htmx report one.
let underway = null;
document.addEventListener("htmx:beforeSend", (e) => { underway = e.detail.xhr; });
addEventListener("beforeunload", () => {
	if (underway) {
		underway.onabort = underway.onerror = null;
	}
});
document.addEventListener("htmx:afterSwap", () => localize(document));
localize(document);
